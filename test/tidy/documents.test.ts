import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { problemKinds } from '../../api/problem.ts';
import { problemTexts } from '../../api/problems/texts.ts';
import { routes } from '../../api/routes.ts';
import { errorCodes } from '../../domain/errors.ts';
import { secretNames, settingsSchema } from '../../runtime/settings.ts';
import { listFiles, readJson, readText, repositoryRoot } from './repository.ts';

const documents = listFiles(/\.md$/);

/** The anchors GitHub gives the headings of a document, and explicit `<a id>` ones. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...text.matchAll(/^#{1,6} +(.+)$/gm)].map(([, title = '']) =>
    title
      .trim()
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
  const explicit = [...text.matchAll(/<a id="([^"]+)"/g)].map(([, id = '']) => id);
  return new Set([...headings, ...explicit]);
}

function brokenLinks(path: string): string[] {
  const links = [
    ...readText(path)
      .replaceAll(/```[\s\S]*?```/g, '')
      .matchAll(/\]\(([^)\s]+)\)/g),
  ];
  return links.flatMap(([, link = '']) => {
    if (/^[a-z]+:/.test(link)) return [];
    const [file = '', anchor] = link.split('#');
    const target = file === '' ? path : normalize(join(dirname(path), file));
    if (!existsSync(join(repositoryRoot, target))) return [link];
    return anchor === undefined || anchorsOf(readText(target)).has(anchor) ? [] : [link];
  });
}

describe('the documents', () => {
  it.each(documents)('%s links only to what exists', (path) => {
    expect(brokenLinks(path)).toEqual([]);
  });

  it('name only source files that exist', () => {
    const missing = documents.flatMap((path) =>
      [
        ...readText(path).matchAll(
          /`((?:domain|runtime|storage|db|jobs|api|worker|boot|metrics|tracing|supervisor|client|cli|doctor|upkeep|scripts|test)\/[\w./-]+\.(?:ts|mjs|json))`/g,
        ),
      ]
        .map(([, name = '']) => name)
        .filter((name) => !name.includes('<') && !existsSync(join(repositoryRoot, name)))
        .map((name) => `${path}: ${name}`),
    );
    expect(missing).toEqual([]);
  });

  it('explain every error code under an anchor of its own', () => {
    const anchors = anchorsOf(readText('docs/PROBLEMS.md'));
    expect(errorCodes.filter((code) => !anchors.has(code))).toEqual([]);
  });

  it('say of every error code what the service itself says at its type', () => {
    const text = readText('docs/PROBLEMS.md').replace(/(?<=\S)\n(?=[^\n*])/g, ' ');
    const wrong = errorCodes.filter((code) => {
      const { status, title } = problemKinds[code];
      const { meaning, mend } = problemTexts[code];
      return !text.includes(`### ${code}\n\n**${status}** ${title}. ${meaning}\n*Mend:* ${mend}\n`);
    });
    expect(wrong).toEqual([]);
  });

  it('explain no error code that does not exist', () => {
    const known: ReadonlySet<string> = new Set(errorCodes);
    const headings = [...readText('docs/PROBLEMS.md').matchAll(/^### (\w+)$/gm)].map(([, code = '']) => code);
    expect(headings.filter((code) => !known.has(code))).toEqual([]);
  });

  it('list every route and no other', () => {
    const served = routes.map(({ method, path }) => `${method} ${path.replace(':path{.+}', '*path')}`);
    const rows = [...readText('docs/API.md').matchAll(/^\| `([A-Z]+ \/[^`]*)`/gm)].map(([, row = '']) => row);
    expect(rows.toSorted()).toEqual(served.toSorted());
  });

  it('explain every setting and no other, and mark those that are secret', () => {
    const rows = [...readText('docs/CONFIGURATION.md').matchAll(/^\| `([A-Z_]+)`( \*)?/gm)];
    const described = rows.map(([, name = '']) => name);
    const marked = rows.filter(([, , mark]) => mark !== undefined).map(([, name = '']) => name);
    expect(described.toSorted()).toEqual(Object.keys(settingsSchema.shape).toSorted());
    expect(marked.toSorted()).toEqual([...secretNames].toSorted());
  });

  it('keep the README within 200 lines', () => {
    expect(readText('README.md').split('\n').length).toBeLessThanOrEqual(200);
  });

  it('give the test command that the gate runs', () => {
    const command = 'npm ci && npm test';
    expect(readText('README.md')).toMatch(new RegExp(`^${command}$`, 'm'));
    expect(readText('.ci/run')).toContain(`'${command} `);
  });
});

describe('the migrations', () => {
  const journal = z
    .object({ entries: z.array(z.object({ idx: z.number(), tag: z.string() })) })
    .parse(readJson('db/migrations/meta/_journal.json'));

  it('are all in the journal, in order, and the journal names no other', () => {
    const files = listFiles(/\.sql$/, 'db/migrations').map((path) =>
      path.slice('db/migrations/'.length, -'.sql'.length),
    );
    expect(journal.entries.map(({ tag }) => tag)).toEqual([...files].sort());
    expect(journal.entries.map(({ idx }) => idx)).toEqual(files.map((_, index) => index));
  });
});
