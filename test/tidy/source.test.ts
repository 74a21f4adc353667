import { describe, expect, it } from 'vitest';
import { listFiles, listImports, listSources, readText } from './repository.ts';

const sources = listSources();
const tests = listFiles(/\.ts$/, 'test').map((path) => ({ path, text: readText(path) }));
const everything = [
  ...sources,
  ...tests,
  ...listFiles(/\.mjs$/, 'scripts').map((path) => ({ path, text: readText(path) })),
];

/** Lines that a ban does not mean: the volume's own root is the operator's path, not a tenant's. */
const exceptions = new Set([
  'storage/posix/posix-volume.ts: await syscalls.mkdir(path, { recursive: true, mode: modes.upper });',
]);

/** `path:line` of every line of `files` that matches and is no exception. */
function findLines(files: readonly { path: string; text: string }[], pattern: RegExp): string[] {
  return files.flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, index) =>
        pattern.test(line) && !exceptions.has(`${path}: ${line.trim()}`) ? [`${path}:${index + 1}`] : [],
      ),
  );
}

// These rules need the text that the linter's rules cannot see; each names what would go wrong.
const bans: readonly (readonly [guarantee: string, files: typeof sources, pattern: RegExp])[] = [
  [
    'no code waits for queue events, which get lost (docs/adr/0004-wake-up-hints.md)',
    sources,
    /\bwaitUntilFinished\b|\bnew QueueEvents\b/,
  ],
  [
    'storage/ never lets the system walk a tree by path (docs/adr/0002-fd-walk.md)',
    sources.filter(({ path }) => path.startsWith('storage/')),
    /\brecursive: true\b|\b(?:fs|fsp|promises)\.(?:rm|cp|realpath)(?:Sync)?\(|\.realpath\(/,
  ],
  ['no command line is built from text', sources, /\bexecSync?\(|\bshell: true\b/],
  ['the running code is never part of the data', sources, /\beval\(|\bnew Function\(/],
  ['a TODO has the number of its issue', everything, /\b(?:TODO|FIXME|XXX)\b(?! ?\(?#\d)/],
  [
    'a suppression says why',
    everything,
    /biome-ignore(?:-all|-start)? [^:]*$|@ts-(?:ignore|nocheck)|@ts-expect-error\s*$/,
  ],
  [
    'a test name says what is guaranteed',
    tests,
    /\b(?:it|test)(?:\.\w+)*\(\s*['"`](?:should\b|works\b|.*\bworks correctly)/,
  ],
];

describe('the text of the source', () => {
  it.each(bans)('%s', (_, files, pattern) => {
    const self = /^test\/tidy\//;
    expect(files.length).toBeGreaterThan(0);
    expect(
      findLines(
        files.filter(({ path }) => !self.test(path)),
        pattern,
      ),
    ).toEqual([]);
  });

  it('documents every export', () => {
    const silent = sources.flatMap(({ path, text }) => {
      const lines = text.split('\n');
      return lines.flatMap((line, index) => {
        if (!/^export (?!default|\{|\*)/.test(line)) return [];
        const before =
          lines
            .slice(0, index)
            .filter((other) => !/^\s*\/\/ biome-ignore/.test(other))
            .at(-1) ?? '';
        return before.trimEnd().endsWith('*/') ? [] : [`${path}:${index + 1}`];
      });
    });
    expect(silent).toEqual([]);
  });

  it('imports its own files by relative path with the .ts ending', () => {
    const wrong = [...sources, ...tests].flatMap(({ path, text }) =>
      listImports(text)
        .filter((specifier) => specifier.startsWith('.') && !/\.(?:ts|mjs)$/.test(specifier))
        .map((specifier) => `${path} → ${specifier}`),
    );
    // What tests plant as text for the linter is not an import.
    expect(wrong.filter((line) => !line.startsWith('test/tidy/'))).toEqual([]);
  });

  it('has no file named after nothing in particular', () => {
    const vague = /(?:^|[/-])(?:utils?|helpers?|common|misc|managers?|shared)(?:[-./]|$)/;
    expect([...sources, ...tests].map(({ path }) => path).filter((path) => vague.test(path))).toEqual([]);
  });

  it('sees a breach when there is one', () => {
    const planted = [
      { path: 'storage/x.ts', text: 'await mkdir(path, { recursive: true });\n// TODO later\n' },
    ];
    for (const index of [1, 4]) expect(findLines(planted, bans[index]?.[2] ?? /$^/)).toHaveLength(1);
  });
});
