import { link, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import { textsAt } from '../support/json.ts';
import { folderDir, readUsage, treeUsage } from '../support/tree-usage.ts';
import { createFolder, upload } from '../support/users.ts';
import { expectProblem, expectStatus } from './rules.ts';
import { type FolderOfAda, type Stage, sharedFolder, useFolder, usePeople } from './stage.ts';

const move = (own: FolderOfAda, src: unknown, dst: unknown) =>
  own.ada.call('POST', own.folder.path('move'), { json: { src, dst } });

const renameFile = (own: FolderOfAda, target_path: unknown, new_name: unknown) =>
  own.ada.call('POST', own.folder.path('rename-file'), { json: { target_path, new_name } });

async function namesIn(own: FolderOfAda, path = ''): Promise<string[]> {
  const answer = await own.ada.call('GET', own.folder.path('files'), { query: { path } });
  return textsAt(answer.json, 'name', 'items');
}

function describeMove(stage: Stage, own: FolderOfAda): void {
  const dataPath = (...rest: string[]) =>
    join(folderDir(stage.service.volumeRoot, own.folder.id), 'data', ...rest);

  it('moves a file to another name, or into a directory that exists', async () => {
    await upload(own.ada, own.folder, { 'a.txt': 'one', 'd/b.txt': 'two' });
    const renamed = await move(own, 'a.txt', 'c.txt');
    expectStatus(renamed, 200);
    expect(renamed.json).toEqual({ path: 'c.txt' });
    for (const [src, dst, path] of [
      ['c.txt', 'd', 'd/c.txt'],
      ['d/c.txt', '.', 'c.txt'],
      ['c.txt', 'd/', 'd/c.txt'],
      ['d/c.txt', '', 'c.txt'],
      ['c.txt', 'd/e.txt', 'd/e.txt'],
    ]) {
      const answer = await move(own, src, dst);
      expectStatus(answer, 200);
      expect(answer.json).toEqual({ path });
    }
    expect(await namesIn(own)).toEqual(['d']);
    expect(await readFile(dataPath('d', 'e.txt'), 'utf8')).toBe('one');
  });

  it('moves a directory with all it holds, and counts what it counted', async () => {
    await upload(own.ada, own.folder, { 'd/x': '12', 'd/e/y': '345', 'to/z': '6' });
    const before = await readUsage(own.ada, own.folder.name);
    expectStatus(await move(own, 'd', 'to/moved'), 200);
    expect(await namesIn(own, 'to/moved')).toEqual(['e', 'x']);
    expect(await readUsage(own.ada, own.folder.name)).toEqual(before);
    expect((await treeUsage(stage.service.volumeRoot, own.folder.id)).data).toEqual(before.live);
    const counted = await own.ada.call('POST', own.folder.path('recalculate'));
    expect(counted.json).toMatchObject({ drift: { bytes: 0, files: 0 } });
  });

  it('replaces nothing', async () => {
    await upload(own.ada, own.folder, { a: '1', b: '2', 'd/a': '3', 'e/x': '4' });
    await mkdir(dataPath('d', 'e'));
    await link(dataPath('a'), dataPath('same'));
    for (const [src, dst] of [
      ['a', 'b'],
      ['a', 'd'],
      ['e', 'b'],
      ['e', 'd'],
      ['a', 'same'],
    ]) {
      expectProblem(await move(own, src, dst), 400, 'entry_conflict');
    }
    expect(await namesIn(own)).toEqual(['a', 'b', 'd', 'e', 'same']);
    expect(await readFile(dataPath('b'), 'utf8')).toBe('2');
    expect(await readdir(dataPath('d', 'e'))).toEqual([]);
  });

  it('refuses to move something to itself, into itself, or to where it is', async () => {
    await upload(own.ada, own.folder, { 'd/x': '1', f: '2' });
    for (const [src, dst] of [
      ['d', 'd'],
      ['d', 'd/inside'],
      ['d', 'd/x/y'],
      ['f', 'f'],
      ['f', '.'],
      ['d/x', 'd'],
    ]) {
      expectProblem(await move(own, src, dst), 400, 'entry_conflict');
    }
    expect(await namesIn(own)).toEqual(['d', 'f']);
  });

  it('does not find a missing entry, nor the directory to move to', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    expectProblem(await move(own, 'missing', 'b'), 404, 'entry_not_found');
    expectProblem(await move(own, 'a/x', 'b'), 404, 'entry_not_found');
    expectProblem(await move(own, 'a', 'missing/b'), 404, 'entry_not_found');
    expect(await namesIn(own)).toEqual(['a']);
  });

  it('moves a link as a link, and never through one', async () => {
    await upload(own.ada, own.folder, { 'd/x': '1', a: '2' });
    await symlink('/etc', dataPath('link'));
    expectProblem(await move(own, 'link/passwd', 'stolen'), 404, 'entry_not_found');
    expectProblem(await move(own, 'a', 'link/a'), 400, 'entry_conflict');
    expectProblem(await move(own, 'a', 'link'), 400, 'entry_conflict');
    expectStatus(await move(own, 'link', 'd'), 200);
    expect(await readdir(dataPath('d'))).toEqual(['link', 'x']);
  });

  it('moves many files into one directory at once, and one file to one of many names', async () => {
    const names = Array.from({ length: 8 }, (_, number) => `f${number}`);
    await upload(own.ada, own.folder, {
      ...Object.fromEntries(names.map((name) => [name, name])),
      one: 'x',
      'd/keep': 'x',
    });
    for (const { status } of await Promise.all(names.map((name) => move(own, name, 'd'))))
      expect(status).toBe(200);
    expect(await namesIn(own, 'd')).toEqual([...names, 'keep']);
    const statuses = (await Promise.all(names.map((name) => move(own, 'one', name)))).map(
      ({ status }) => status,
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect((await namesIn(own)).filter((name) => name !== 'd')).toHaveLength(1);
  });

  it('answers 202 with the job when asked to', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    const answer = await own.ada.call('POST', own.folder.path('move'), {
      json: { src: 'a', dst: 'b' },
      headers: { Prefer: 'respond-async' },
    });
    expectStatus(answer, 202);
    const job = await awaitJob(own.ada, jobIdIn(answer.headers));
    expect(job).toMatchObject({ kind: 'entry.move', state: 'succeeded', body: { result: { path: 'b' } } });
  });

  it.each([
    {},
    { src: 'a' },
    { dst: 'a' },
    { src: null, dst: 'a' },
    { src: 'a', dst: 1 },
    { src: ['a'], dst: 'b' },
  ])('refuses the parameters %j', async (json) => {
    expectProblem(await own.ada.call('POST', own.folder.path('move'), { json }), 400, 'request_malformed');
  });

  it.each([
    '..',
    '../x',
    '/abs',
    'a/../b',
    'a//b',
    'a\u0000b',
    'x'.repeat(256),
    'a\nb',
    '.snapshot',
    '\ud800',
  ])('refuses %j as a target', async (dst) => {
    await upload(own.ada, own.folder, { a: '1' });
    expectProblem(await move(own, 'a', dst), 400, 'path_invalid');
  });

  it.each(['', '.', '/', '..', 'a/../a', 'a\u0000'])('refuses to move %j', async (src) => {
    expectProblem(await move(own, src, 'b'), 400, 'path_invalid');
  });
}

function describeRenameFile(own: FolderOfAda): void {
  it('renames files and directories where they are', async () => {
    await upload(own.ada, own.folder, { 'd/a': '1', 'd/e/x': '2' });
    const answer = await renameFile(own, 'd/a', 'b');
    expectStatus(answer, 200);
    expect(answer.json).toEqual({ path: 'd/b' });
    expectStatus(await renameFile(own, 'd/e/', 'f'), 200);
    expect(await namesIn(own, 'd')).toEqual(['b', 'f']);
  });

  it('replaces nothing, not even a directory takes the entry in', async () => {
    await upload(own.ada, own.folder, { a: '1', b: '2', 'd/x': '3' });
    for (const name of ['b', 'd', 'a'])
      expectProblem(await renameFile(own, 'a', name), 400, 'entry_conflict');
    expectProblem(await renameFile(own, 'missing', 'c'), 404, 'entry_not_found');
    expect(await namesIn(own)).toEqual(['a', 'b', 'd']);
  });

  it.each(['', '.', '..', 'x/y', '/x', 'x/', 'a\u0000b', 'a\nb', '.zfs', 'x'.repeat(256)])(
    'refuses the new name %j',
    async (name) => {
      await upload(own.ada, own.folder, { a: '1' });
      expectProblem(await renameFile(own, 'a', name), 400, 'path_invalid');
    },
  );

  it.each([{}, { target_path: 'a' }, { new_name: 'b' }, { target_path: 'a', new_name: 1 }])(
    'refuses the parameters %j',
    async (json) => {
      const answer = await own.ada.call('POST', own.folder.path('rename-file'), { json });
      expectProblem(answer, 400, 'request_malformed');
    },
  );
}

function describeRename(stage: Stage, own: FolderOfAda): void {
  const people = usePeople(stage);
  const rename = (folder: { path(...rest: string[]): string }, new_name: unknown, client = own.ada) =>
    client.call('POST', folder.path('rename'), { json: { new_name } });

  it('gives a folder another name at once, keeping its id and content', async () => {
    await upload(own.ada, own.folder, { a: '1' });
    const answer = await rename(own.folder, `${own.folder.name} – 새 이름`);
    expectStatus(answer, 200);
    expect(answer.json).toEqual({ id: own.folder.id, name: `${own.folder.name} – 새 이름` });
    expectProblem(await own.ada.call('GET', own.folder.path()), 404, 'not_found');
    const found = await own.ada.call('GET', `/folders/${own.folder.id}`);
    expect(found.json).toMatchObject({ item: { name: `${own.folder.name} – 새 이름`, numFiles: 1 } });
    await createFolder(own.ada, own.folder.name);
  });

  it('takes the name that the folder has, and refuses one that another has', async () => {
    const other = await createFolder(own.ada);
    expectStatus(await rename(own.folder, own.folder.name), 200);
    expectProblem(await rename(own.folder, other.name), 400, 'folder_name_taken');
    expectStatus(await own.ada.call('GET', own.folder.path()), 200);
  });

  it('gives one name to exactly one of many folders', async () => {
    const folders = await Promise.all(Array.from({ length: 6 }, () => createFolder(own.ada)));
    const wanted = `${own.folder.name}-wanted`;
    const statuses = (await Promise.all(folders.map((folder) => rename(folder, wanted)))).map(
      (one) => one.status,
    );
    expect(statuses.toSorted()).toEqual([200, 400, 400, 400, 400, 400]);
  });

  it('lets a member change their own name for it alone', async () => {
    const folder = await sharedFolder(people, 'ro');
    const { client } = people.bob;
    expectStatus(await rename(folder, `${folder.name}-mine`, client), 200);
    expectProblem(await client.call('GET', folder.path()), 404, 'not_found');
    expectStatus(await client.call('GET', `/folders/${folder.name}-mine`), 200);
    expectStatus(await people.ada.client.call('GET', folder.path()), 200);
  });

  it('is not found by anybody else', async () => {
    expectProblem(await rename(own.folder, 'mine', people.bob.client), 404, 'not_found');
  });

  it.each(['', ' a', 'a/b', 'a\\b', '.', '..', 'create', 'invitations', 'x'.repeat(65), 'a\u0000', '\ud800'])(
    'refuses the name %j',
    async (name) => {
      expectProblem(await rename(own.folder, name), 400, 'name_invalid');
      expectStatus(await own.ada.call('GET', own.folder.path()), 200);
    },
  );

  it.each([{}, { new_name: null }, { new_name: 5 }, { name: 'x' }])(
    'refuses the parameters %j',
    async (json) => {
      expectProblem(
        await own.ada.call('POST', own.folder.path('rename'), { json }),
        400,
        'request_malformed',
      );
    },
  );
}

/** Move and rename entries, and rename folders. */
export function describeMoves(stage: Stage): void {
  const own = useFolder(usePeople(stage));
  describe('move', () => describeMove(stage, own));
  describe('rename-file', () => describeRenameFile(own));
  describe('renaming a folder', () => describeRename(stage, own));
}
