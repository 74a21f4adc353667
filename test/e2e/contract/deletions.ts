import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { CallOptions } from '../support/http-client.ts';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import { textAt, textsAt } from '../support/json.ts';
import { folderDir, readUsage, treeUsage } from '../support/tree-usage.ts';
import { upload } from '../support/users.ts';
import { expectProblem, expectStatus } from './rules.ts';
import { type FolderOfAda, type Stage, useFolder, usePeople } from './stage.ts';

const remove = (own: FolderOfAda, options: CallOptions) =>
  own.ada.call('DELETE', own.folder.path('delete_files'), options);

async function namesIn(own: FolderOfAda): Promise<string[]> {
  return textsAt((await own.ada.call('GET', own.folder.path('files'))).json, 'name', 'items');
}

function describeRefusals(own: FolderOfAda): void {
  it('refuses a directory without recursive, and then deletes nothing at all', async () => {
    await upload(own.ada, own.folder, { a: '1', 'd/b': '2' });
    for (const json of [{ files: ['d'] }, { files: ['a', 'd'] }, { files: ['d', 'a'], recursive: false }]) {
      expectProblem(await remove(own, { json }), 400, 'directory_not_recursive');
    }
    expect(await namesIn(own)).toEqual(['a', 'd']);
  });

  it('does not find a missing path, and then deletes nothing at all', async () => {
    await upload(own.ada, own.folder, { a: '1', b: '2' });
    for (const files of [['missing'], ['a', 'missing'], ['a/x']]) {
      expectProblem(await remove(own, { json: { files, recursive: true } }), 404, 'entry_not_found');
    }
    expect(await namesIn(own)).toEqual(['a', 'b']);
  });

  it.each(['', '.', '/', '..', '../x', 'a/../b', 'a\u0000'])('refuses the path %j', async (path) => {
    await upload(own.ada, own.folder, { a: '1' });
    for (const files of [[path], ['a', path]]) {
      expectProblem(await remove(own, { json: { files, recursive: true } }), 400, 'path_invalid');
    }
    expect(await namesIn(own)).toEqual(['a']);
  });

  it.each([
    {},
    { files: [] },
    { files: null },
    { files: 1 },
    { files: [null] },
    { files: ['a'], recursive: 'perhaps' },
    { files: ['a'], recursive: 2 },
    { files: ['a'], recursive: null },
    { files: Array.from({ length: 1001 }, () => 'a') },
  ])('refuses the parameters %#', async (json) => {
    await upload(own.ada, own.folder, { a: '1' });
    expectProblem(await remove(own, { json }), 400, 'request_malformed');
    expect(await namesIn(own)).toEqual(['a']);
  });
}

function describeSuccess(stage: Stage, own: FolderOfAda): void {
  it('deletes files and tells the result of each', async () => {
    await upload(own.ada, own.folder, { a: '1', b: '22', 'd/c': '333' });
    const answer = await remove(own, { json: { files: ['a', 'd/c'] } });
    expectStatus(answer, 200);
    expect(answer.json).toMatchObject({
      results: { success: expect.arrayContaining([{ item: 'a' }, { item: 'd/c' }]), failed: [] },
    });
    expect(await namesIn(own)).toEqual(['b', 'd']);
    await eventually(async () => {
      const none = { bytes: 0, files: 0 };
      const kept = { bytes: 2, files: 1 };
      expect(await treeUsage(stage.service.volumeRoot, own.folder.id)).toEqual({
        data: kept,
        stage: none,
        trash: none,
      });
      expect(await readUsage(own.ada, own.folder.name)).toMatchObject({ live: kept, trash: none });
    });
  });

  it('takes its parameters from a query too', async () => {
    await upload(own.ada, own.folder, { a: '1', b: '2', 'd/c': '3', e: '4' });
    expectStatus(await remove(own, { query: { files: ['a', 'b'] } }), 200);
    expectStatus(await remove(own, { query: { files: 'd', recursive: 'true' } }), 200);
    expectStatus(await own.ada.call('DELETE', `${own.folder.path('delete_files')}?files%5B%5D=e`), 200);
    expect(await namesIn(own)).toEqual([]);
  });

  it('takes a tree out of view at once and frees it by a job', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 80 }, (_, number) => [`d/${number % 8}/${number}`, 'x']),
    );
    await upload(own.ada, own.folder, { ...files, keep: '1' });
    const answer = await remove(own, { json: { files: ['d'], recursive: true } });
    expectStatus(answer, 200);
    expect(await namesIn(own)).toEqual(['keep']);
    await upload(own.ada, own.folder, { 'd/new': 'fresh' });
    const job = await awaitJob(own.ada, textAt(answer.json, 'job_id'));
    expect(job).toMatchObject({ kind: 'trash.purge', state: 'succeeded' });
    expect(await readUsage(own.ada, own.folder.name)).toMatchObject({
      live: { bytes: 6, files: 2 },
      trash: { bytes: 0, files: 0 },
    });
    expect(await namesIn(own)).toEqual(['d', 'keep']);
  });

  it('answers 202 with Prefer: respond-async, the entries out of view', async () => {
    await upload(own.ada, own.folder, { 'd/a': '1', b: '2' });
    const answer = await remove(own, {
      json: { files: ['d', 'b'], recursive: true },
      headers: { Prefer: 'respond-async' },
    });
    expectStatus(answer, 202);
    expect(answer.headers['preference-applied']).toBe('respond-async');
    expect(await namesIn(own)).toEqual([]);
    expect(await awaitJob(own.ada, jobIdIn(answer.headers))).toMatchObject({ state: 'succeeded' });
  });

  it('deletes a path once that is named twice or below another', async () => {
    await upload(own.ada, own.folder, { 'd/a': '1', b: '2' });
    const answer = await remove(own, { json: { files: ['d/a', 'd', 'b', './b', 'd/'], recursive: true } });
    expectStatus(answer, 200);
    expect(answer.json).toMatchObject({ results: { failed: [] } });
    expect(await namesIn(own)).toEqual([]);
  });

  it('deletes a link and not what it points to', async () => {
    await upload(own.ada, own.folder, { 'd/a': '1' });
    const data = join(folderDir(stage.service.volumeRoot, own.folder.id), 'data');
    await symlink('d', join(data, 'link'));
    expectStatus(await remove(own, { json: { files: ['link'] } }), 200);
    expect(await namesIn(own)).toEqual(['d']);
    expectStatus(await own.ada.call('GET', own.folder.path('files', 'd', 'a')), 200);
  });

  it('succeeds for exactly one of many concurrent deletions of a file', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    const calls = Array.from({ length: 6 }, () => remove(own, { json: { files: ['a'] } }));
    const answers = await Promise.all(calls);
    const deleted = answers.filter((answer) => answer.text.includes('"success":[{"item":"a"}]'));
    expect(deleted).toHaveLength(1);
    for (const answer of answers) expect([200, 404]).toContain(answer.status);
    await eventually(async () =>
      expect(await readUsage(own.ada, own.folder.name)).toMatchObject({
        live: { bytes: 0, files: 0 },
        trash: { bytes: 0, files: 0 },
      }),
    );
  });
}

/** Delete files and trees. */
export function describeDeletions(stage: Stage): void {
  const people = usePeople(stage);
  const own = useFolder(people);
  describe('refusals', () => describeRefusals(own));
  describe('deleted entries', () => describeSuccess(stage, own));
}
