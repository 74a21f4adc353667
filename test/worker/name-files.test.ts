import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eq, sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { folders } from '../../db/schema/folders.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { pathClaims } from '../../db/schema/path-claims.ts';
import { describeEachBackend } from '../support/backends.ts';
import { readTree } from './scenarios.ts';
import { countersOf, makeWorkStage, type Parts, type WorkStage } from './work-stage.ts';

const resultSchema = z.object({
  files: z.array(z.object({ path: z.string() })),
  failed: z.array(z.unknown()),
});

describeEachBackend('files of an upload that get other names where theirs are taken', (backend) => {
  let stage: WorkStage;
  beforeEach(async () => {
    stage = await makeWorkStage(backend, { quotaFiles: 2_000 });
  });
  afterEach(() => stage.close());

  const inData = (path: string) => join(stage.folderRoot, 'data', path);

  async function stageForm(names: readonly string[]): Promise<string> {
    const parts: Parts = names.map((name, index) => [name, `${index} ${name}`]);
    const { jobId } = await stage.stageUpload(parts);
    await backend.database.db
      .update(jobs)
      .set({ payload: sql`payload || '{"condition": {"ifExists": "rename"}}'` })
      .where(eq(jobs.id, jobId));
    return jobId;
  }

  /** @returns what each file is called now, in the order they were sent */
  async function pathsOf(jobId: string): Promise<string[]> {
    const ended = await stage.jobs.ended(jobId);
    expect(ended).toMatchObject({ state: 'succeeded' });
    const { files, failed } = resultSchema.parse(ended.result);
    expect(failed).toEqual([]);
    return files.map(({ path }) => path);
  }

  async function commit(names: readonly string[]): Promise<string[]> {
    const jobId = await stageForm(names);
    stage.dispatch(jobId);
    const paths = await pathsOf(jobId);
    expect(paths).toHaveLength(names.length);
    for (const [index, path] of paths.entries())
      expect(await stage.read(path)).toBe(`${index} ${names[index]}`);
    return paths;
  }

  async function expectCounted(filesOfOthers = 0): Promise<void> {
    const contents = Object.values(await readTree(stage));
    const bytes = contents.filter((content) => content !== 'by a container').join('').length;
    const files = contents.length - filesOfOthers;
    expect(await countersOf(stage)).toEqual({ used: [bytes, files], reserved: [0, 0], trash: [0, 0] });
    expect(await backend.database.db.select().from(pathClaims)).toEqual([]);
  }

  it.each([
    ['a numbered one that another file has', ['a.txt', 'a (2).txt'], ['a (3).txt', 'a (2).txt']],
    ['one that another file has', ['n', 'n', 'd/n', 'n'], ['n', 'n (2)', 'd/n', 'n (3)']],
    ['a taken one that another file has', ['a.txt', 'a.txt'], ['a (2).txt', 'a (3).txt']],
    ['a numbered one of a directory', ['x', 'x (2)/y'], ['x (3)', 'x (2)/y']],
    ['one of a directory of the upload', ['n/a/b', 'n', 'n/a'], ['n/a/b', 'n (2)', 'n/a (2)']],
    ['one of a directory that is there', ['d', 'd', 'd (2)'], ['d (3)', 'd (4)', 'd (2)']],
  ])('never get %s', async (_what, names, expected) => {
    await writeFile(inData('a.txt'), 'by a container');
    await writeFile(inData('x'), 'by a container');
    await mkdir(inData('d'));
    await stage.start();
    expect(await commit(names)).toEqual(expected);
    await expectCounted(2);
  });

  it('take no more transactions of the folder when they are many', async () => {
    const names = Array.from({ length: 300 }, (_, index) => `f${index % 150}`);
    for (const name of new Set(names)) await writeFile(inData(name), 'by a container');
    await stage.start();
    const sequence = async () => {
      const [folder] = await backend.database.db
        .select({ mutationSeq: folders.mutationSeq })
        .from(folders)
        .where(eq(folders.id, stage.folderId));
      return Number(folder?.mutationSeq);
    };
    const before = await sequence();
    const paths = await commit(names);
    expect(paths).toEqual(names.map((name, index) => `${name} (${index < 150 ? 2 : 3})`));
    // The claim of all paths, and the end.
    expect((await sequence()) - before).toBe(2);
    await expectCounted(150);
  });

  it('refuse the upload whole when they are more than there are names', async () => {
    await stage.start();
    const jobId = await stageForm(Array.from({ length: 1_001 }, () => 'n'));
    stage.dispatch(jobId);
    expect(await stage.jobs.ended(jobId)).toMatchObject({ state: 'failed', errorCode: 'entry_conflict' });
    expect(await readTree(stage)).toEqual({});
    expect(await countersOf(stage)).toEqual({ used: [0, 0], reserved: [0, 0], trash: [0, 0] });
  });

  it('are all kept when uploads want the same names in other orders at the same time', async () => {
    await stage.start();
    const names = ['a', 'b', 'b', 'c/d'];
    const forms = Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? names : names.toReversed()));
    const ids = await Promise.all(forms.map((form) => stageForm(form)));
    for (const id of ids) stage.dispatch(id);
    const paths = (await Promise.all(ids.map((id) => pathsOf(id)))).flat();
    const numbered = (name: string, count: number) =>
      Array.from({ length: count }, (_, index) => (index === 0 ? name : `${name} (${index + 1})`));
    const expected = [...numbered('a', 8), ...numbered('b', 16), ...numbered('c/d', 8)];
    expect(paths.toSorted()).toEqual(expected.toSorted());
    expect(Object.keys(await readTree(stage)).toSorted()).toEqual(expected.toSorted());
    await expectCounted();
  });

  it('are looked for anew when somebody takes one between the look and the claim', async () => {
    let looks = 0;
    await stage.start({
      ...stage.volume,
      stat: async (...args: Parameters<typeof stage.volume.stat>) => {
        const found = await stage.volume.stat(...args);
        looks += 1;
        // Both files were looked at.
        if (looks === 2) await writeFile(inData('b'), 'by a container');
        return found;
      },
    });
    expect(await commit(['a', 'b'])).toEqual(['a', 'b (2)']);
    await expectCounted(1);
  });

  it('are held by no claim that an earlier run left', async () => {
    const jobId = await stageForm(['a']);
    const { db } = backend.database;
    await db.update(jobs).set({ fence: 1 }).where(eq(jobs.id, jobId));
    await db.insert(pathClaims).values({ folderId: stage.folderId, path: 'b', jobId });
    let held: string[] = [];
    await stage.start({
      ...stage.volume,
      statStage: async (...args: Parameters<typeof stage.volume.statStage>) => {
        held = (await db.select().from(pathClaims)).map(({ path }) => path);
        return await stage.volume.statStage(...args);
      },
    });
    stage.dispatch(jobId);
    expect(await pathsOf(jobId)).toEqual(['a']);
    expect(held).toEqual(['a']);
  });
});
