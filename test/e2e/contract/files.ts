import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Client } from '../support/http-client.ts';
import { at, listAt, textAt, textsAt } from '../support/json.ts';
import { folderDir } from '../support/tree-usage.ts';
import { type TestFolder, upload } from '../support/users.ts';
import { expectProblem, expectStatus, isoTime } from './rules.ts';
import { type FolderOfAda, type Stage, useFolder, usePeople } from './stage.ts';

async function namesIn(client: Client, folder: TestFolder, path = ''): Promise<string[]> {
  const answer = await client.call('GET', folder.path('files'), { query: { path } });
  expectStatus(answer, 200);
  return textsAt(answer.json, 'name', 'items');
}

function describeListing(stage: Stage, own: FolderOfAda): void {
  it('shows an empty folder', async () => {
    const answer = await own.ada.call('GET', own.folder.path('files'));
    expectStatus(answer, 200);
    expect(answer.json).toEqual({ files: '[]', items: [], next_cursor: null });
  });

  it('shows entries as documented JSON text and as JSON', async () => {
    await upload(own.ada, own.folder, { 'a.txt': 'hello', 'sub/b': '' });
    const answer = await own.ada.call('GET', own.folder.path('files'));
    expectStatus(answer, 200);
    const times = { mtime: expect.any(Number), ctime: expect.any(Number), atime: expect.any(Number) };
    expect(JSON.parse(textAt(answer.json, 'files'))).toEqual([
      { filename: 'a.txt', mode: expect.stringMatching(/^-rw-/), size: 5, ...times },
      { filename: 'sub', mode: expect.stringMatching(/^drwx/), size: expect.any(Number), ...times },
    ]);
    expect(at(answer.json, 'items')).toEqual([
      expect.objectContaining({ name: 'a.txt', type: 'file', size: 5, modified: isoTime }),
      expect.objectContaining({ name: 'sub', type: 'directory', modified: isoTime }),
    ]);
    const mtime = Number(at(JSON.parse(textAt(answer.json, 'files')), 0, 'mtime'));
    expect(Math.abs(mtime - Date.now() / 1000)).toBeLessThan(600);
  });

  it('takes the path from the query or from a JSON body on GET, in every spelling', async () => {
    await upload(own.ada, own.folder, { 'sub/dir/x': '1', 'sub/dir/a+b c%20': '2' });
    const expected = ['a+b c%20', 'x'];
    for (const path of ['sub/dir', 'sub/dir/', '/sub/dir', './sub/./dir']) {
      for (const options of [{ query: { path } }, { json: { path } }]) {
        const answer = await own.ada.call('GET', own.folder.path('files'), options);
        expectStatus(answer, 200);
        expect(textsAt(answer.json, 'name', 'items')).toEqual(expected);
      }
    }
    for (const path of ['', '.', '/', './'])
      expect(await namesIn(own.ada, own.folder, path)).toEqual(['sub']);
  });

  it.each(['missing', 'sub/missing', 'a.txt', 'a.txt/', 'a.txt/x', 'link', 'link/x'])(
    'does not find %s',
    async (path) => {
      await upload(own.ada, own.folder, { 'a.txt': '1', 'sub/b': '2' });
      const data = join(folderDir(stage.service.volumeRoot, own.folder.id), 'data');
      await symlink('/etc', join(data, 'link'));
      const answer = await own.ada.call('GET', own.folder.path('files'), { query: { path } });
      expectProblem(answer, 404, 'entry_not_found');
    },
  );

  it.each(['..', 'a/../..', '../x', 'a\u0000b', 'a//b', 'x'.repeat(256), 'a/'.repeat(65), 'é'.repeat(2049)])(
    'refuses the path %j',
    async (path) => {
      for (const options of [{ json: { path } }, { query: { path } }]) {
        const answer = await own.ada.call('GET', own.folder.path('files'), options);
        expect(answer.status, answer.text).toBe(400);
      }
    },
  );

  it.each([
    { path: 1 },
    { path: ['a', 'b'] },
    { path: {} },
    { path: null },
    { limit: 0 },
    { limit: 1001 },
    { limit: 1.5 },
    { limit: 'all' },
    { limit: null },
    { sort: 'colour' },
    { sort: 1 },
    { cursor: 5 },
    { cursor: 'never given' },
    { cursor: 'never given', sort: 'size' },
    { cursor: 'e30', sort: 'name' },
    { cursor: '', sort: 'mtime' },
  ])('refuses %j', async (json) => {
    const answer = await own.ada.call('GET', own.folder.path('files'), { json });
    expectProblem(answer, 400, 'request_malformed');
  });

  it('shows one entry of any kind, with the ETag of a file', async () => {
    await upload(own.ada, own.folder, { 'sub/a.txt': 'hello' });
    const data = join(folderDir(stage.service.volumeRoot, own.folder.id), 'data');
    await symlink('/etc', join(data, 'link'));
    const show = (path?: string) =>
      own.ada.call('GET', own.folder.path('stat'), path === undefined ? {} : { query: { path } });
    const times = { created: isoTime, modified: isoTime };
    const { headers } = await own.ada.call('HEAD', own.folder.path('files', 'sub', 'a.txt'));
    const file = await show('sub/a.txt');
    expectStatus(file, 200);
    const mode = expect.stringMatching(/^-rw-/);
    const { etag } = headers;
    expect(file.json).toEqual({ path: 'sub/a.txt', type: 'file', size: 5, mode, ...times, etag });
    for (const [path, type] of [
      ['sub', 'directory'],
      ['sub/', 'directory'],
      ['link', 'symlink'],
      ['', 'directory'],
      [undefined, 'directory'],
    ] as const) {
      const shown = path?.replace('/', '') ?? '';
      expect((await show(path)).json).toMatchObject({ path: shown, type, ...times, etag: null });
    }
    const listed = await own.ada.call('GET', own.folder.path('files'));
    const sub = listAt(listed.json, 'items').find((item) => at(item, 'name') === 'sub');
    expect(at((await show('sub')).json, 'modified')).toBe(at(sub, 'modified'));
    for (const path of ['missing', 'sub/a.txt/x', 'link/passwd'])
      expectProblem(await show(path), 404, 'entry_not_found');
    expect((await show('../x')).status).toBe(400);
  });

  it('pages with a cursor, showing everything once, in any order', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 7 }, (_, number) => [`f${number}`, 'x'.repeat(7 - number)]),
    );
    await upload(own.ada, own.folder, files);
    const names = Object.keys(files);
    const readAll = async (query: Record<string, string>): Promise<string[]> => {
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const answer = await own.ada.call('GET', own.folder.path('files'), {
          query: { limit: 3, ...query, ...(cursor === undefined ? {} : { cursor }) },
        });
        expectStatus(answer, 200);
        expect(listAt(answer.json, 'items').length).toBeLessThanOrEqual(3);
        seen.push(...textsAt(answer.json, 'name', 'items'));
        const next = at(answer.json, 'next_cursor');
        cursor = typeof next === 'string' ? next : undefined;
      } while (cursor !== undefined);
      return seen;
    };
    expect((await readAll({})).toSorted()).toEqual(names);
    expect(await readAll({ sort: 'name' })).toEqual(names);
    expect(await readAll({ sort: '-name' })).toEqual(names.toReversed());
    expect(await readAll({ sort: 'size' })).toEqual(names.toReversed());
    expect(await readAll({ sort: '-size' })).toEqual(names);
    expect((await readAll({ sort: 'mtime' })).toSorted()).toEqual(names);
  });

  it('shows what a session put there, whatever it is', async () => {
    const data = join(folderDir(stage.service.volumeRoot, own.folder.id), 'data');
    await mkdir(join(data, 'dir'));
    await writeFile(Buffer.concat([Buffer.from(`${data}/`), Buffer.from([0x66, 0xff, 0xfe])]), 'raw');
    await writeFile(join(data, 'line\nbreak'), '1');
    await symlink('/etc/passwd', join(data, 'link'));
    const answer = await own.ada.call('GET', own.folder.path('files'));
    expectStatus(answer, 200);
    const types = listAt(answer.json, 'items').map(
      (item) => `${textAt(item, 'type')} ${textAt(item, 'name')}`,
    );
    expect(types).toHaveLength(4);
    expect(types).toEqual(expect.arrayContaining(['directory dir', 'file line\nbreak', 'symlink link']));
  });
}

function describeMkdir(own: FolderOfAda): void {
  const mkdirAt = (options: Parameters<Client['call']>[2]) =>
    own.ada.call('POST', own.folder.path('mkdir'), options);

  it('makes a directory with its parents and says so', async () => {
    const answer = await mkdirAt({ json: { path: 'a/b/c' } });
    expectStatus(answer, 201);
    expect(answer.json).toEqual({ results: { success: [{ item: 'a/b/c', msg: null }], failed: [] } });
    expect(await namesIn(own.ada, own.folder, 'a/b')).toEqual(['c']);
  });

  it('takes a directory that exists, unless told not to, and keeps what is in it', async () => {
    await upload(own.ada, own.folder, { 'a/b': '1' });
    expectStatus(await mkdirAt({ json: { path: 'a' } }), 201);
    expectStatus(await mkdirAt({ json: { path: 'a/' } }), 201);
    expectProblem(await mkdirAt({ json: { path: 'a', exist_ok: false } }), 400, 'entry_conflict');
    expectProblem(await mkdirAt({ query: { path: 'a', exist_ok: 'false' } }), 400, 'entry_conflict');
    expect(await namesIn(own.ada, own.folder, 'a')).toEqual(['b']);
  });

  it('makes no parents when told not to', async () => {
    const answer = await mkdirAt({ json: { path: 'x/y', parents: false } });
    expectProblem(answer, 404, 'entry_not_found');
    expect(await namesIn(own.ada, own.folder)).toEqual([]);
    expectStatus(await mkdirAt({ json: { path: 'x', parents: false } }), 201);
  });

  it('refuses a path that a file has, itself or on the way', async () => {
    await upload(own.ada, own.folder, { f: '1' });
    expectProblem(await mkdirAt({ json: { path: 'f' } }), 400, 'entry_conflict');
    expectProblem(await mkdirAt({ json: { path: 'f/d' } }), 400, 'entry_conflict');
    expectProblem(await mkdirAt({ json: { path: 'f/d/e' } }), 400, 'entry_conflict');
    const answer = await own.ada.call('GET', own.folder.path('download'), {
      query: { files: 'f' },
      headers: { 'Accept-Encoding': 'identity' },
    });
    expect(answer.text).toBe('1');
  });

  it('makes several, from JSON or repeated parameters, and tells which failed', async () => {
    await upload(own.ada, own.folder, { f: '1' });
    const answer = await mkdirAt({ json: { path: ['a', 'f', 'b/c'] } });
    expectStatus(answer, 201);
    expect(answer.json).toEqual({
      results: {
        success: [
          { item: 'a', msg: null },
          { item: 'b/c', msg: null },
        ],
        failed: [{ item: 'f', msg: expect.stringMatching(/\S/) }],
      },
    });
    expectStatus(await mkdirAt({ query: { path: ['p', 'q'] } }), 201);
    expect(await namesIn(own.ada, own.folder)).toEqual(['a', 'b', 'f', 'p', 'q']);
    expectProblem(await mkdirAt({ json: { path: ['f', 'f/x'] } }), 400, 'entry_conflict');
  });

  it('makes 50 but not 51 at once', async () => {
    const paths = Array.from({ length: 51 }, (_, number) => `d${number}`);
    expectProblem(await mkdirAt({ json: { path: paths } }), 400, 'request_malformed');
    expect(await namesIn(own.ada, own.folder)).toEqual([]);
    expectStatus(await mkdirAt({ json: { path: paths.slice(1) } }), 201);
    expect(await namesIn(own.ada, own.folder)).toHaveLength(50);
  });

  it.each([
    {},
    { path: null },
    { path: 5 },
    { path: true },
    { path: {} },
    { path: [] },
    { path: [1] },
    { path: [['a']] },
    { path: 'a', parents: 'perhaps' },
    { path: 'a', exist_ok: 7 },
    { path: 'a', parents: null },
  ])('refuses the parameters %j', async (json) => {
    expectProblem(await mkdirAt({ json }), 400, 'request_malformed');
  });

  it.each([
    '',
    '/',
    '.',
    '..',
    '/abs',
    'a/../b',
    '../out',
    'a/./b',
    'a//b',
    'a\u0000b',
    'a\nb',
    'a\u007f',
    '\u202eabc',
    'x'.repeat(256),
    'é'.repeat(128),
    'a/'.repeat(65),
    '\ud800',
    '.snapshot',
  ])('refuses the path %j, alone and in a list, making nothing', async (path) => {
    expectProblem(await mkdirAt({ json: { path } }), 400, 'path_invalid');
    expectProblem(await mkdirAt({ json: { path: ['fine', path] } }), 400, 'path_invalid');
    expect(await namesIn(own.ada, own.folder)).toEqual([]);
  });
}

/** List a directory and make directories. */
export function describeFiles(stage: Stage): void {
  const people = usePeople(stage);
  const own = useFolder(people);
  describe('listing', () => describeListing(stage, own));
  describe('mkdir', () => describeMkdir(own));
}
