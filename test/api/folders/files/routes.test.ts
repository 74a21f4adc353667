import { mkdir, readdir, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../../../domain/ids.ts';
import { insertTestMember } from '../../../support/factories.ts';
import { type Caller, itemsOf, startTestService, type TestService } from '../test-service.ts';

let service: TestService;
let ada: Caller;
beforeAll(async () => {
  service = await startTestService();
  ada = await service.signUp();
});
afterAll(() => service.close());

let counter = 0;
/** A folder, and where its content lies for a program that has it mounted. */
async function makeFolder() {
  const name = `files ${++counter}`;
  const answer = await ada.call('POST', '/folders', { body: { name } });
  const id = parseId(String(Object(answer.json).id)) ?? '';
  const data = join(service.root, 'f', id.slice(-4, -2), id.slice(-2), id, 'data');
  expect((await stat(data)).isDirectory()).toBe(true);
  return { id, name, data, path: `/folders/${encodeURIComponent(name)}` };
}

describe('GET /folders/:name/files', () => {
  it('lists a directory twice: as the documented JSON text and as items, by name', async () => {
    const { data, path } = await makeFolder();
    await mkdir(join(data, 'sub'), { mode: 0o755 });
    await writeFile(join(data, 'b.txt'), 'hello', { mode: 0o644 });
    await utimes(join(data, 'b.txt'), 1_000.5, 2_000.25);
    await symlink('/etc/passwd', join(data, 'a link'));
    const answer = await ada.call('GET', `${path}/files`, { body: { path: '.' } });
    expect(answer.status).toBe(200);
    const files: unknown = JSON.parse(String(Object(answer.json).files));
    expect(files).toMatchObject([
      { filename: 'a link', mode: 'lrwxrwxrwx' },
      {
        filename: 'b.txt',
        mode: '-rw-r--r--',
        size: 5,
        mtime: 2_000.25,
        atime: 1_000.5,
        ctime: expect.any(Number),
      },
      { filename: 'sub', mode: 'drwxr-xr-x' },
    ]);
    expect(itemsOf(answer)).toMatchObject([
      { name: 'a link', type: 'symlink' },
      { name: 'b.txt', type: 'file', size: 5, mode: '-rw-r--r--', modified: '1970-01-01T00:33:20.250Z' },
      { name: 'sub', type: 'directory', is_addressable: true },
    ]);
    expect(Object(answer.json).next_cursor).toBeNull();
  });

  it.each(['', '.', '/', './'])('takes the path %j for the root', async (root) => {
    const { data, path } = await makeFolder();
    await writeFile(join(data, 'x'), '');
    const answer = await ada.call('GET', `${path}/files?path=${encodeURIComponent(root)}`);
    expect(itemsOf(answer).map(({ name }) => name)).toEqual(['x']);
  });

  it.each(['missing', 'file', 'file/below', 'link', 'link/below', 'sub/missing'])(
    'answers 404 for %s, which is or leads through no directory',
    async (target) => {
      const { data, path } = await makeFolder();
      await mkdir(join(data, 'sub'));
      await writeFile(join(data, 'file'), 'x');
      await symlink('sub', join(data, 'link'));
      const answer = await ada.call('GET', `${path}/files?path=${target}`);
      expect(answer).toMatchObject({ status: 404, json: { code: 'entry_not_found' } });
    },
  );

  it.each(['../x', 'a//b', 'a/../b', 'x'.repeat(256), 'a/'.repeat(70), '\0'])(
    'refuses the malformed path %j with 400',
    async (target) => {
      const { path } = await makeFolder();
      expect((await ada.call('GET', `${path}/files`, { body: { path: target } })).status).toBe(400);
    },
  );

  it.each(['limit=0', 'limit=1001', 'limit=x', 'sort=color', 'cursor=x', 'cursor=x&sort=name'])(
    'refuses %s with 400',
    async (query) => {
      const { path } = await makeFolder();
      expect(await ada.call('GET', `${path}/files?${query}`)).toMatchObject({
        status: 400,
        json: { code: 'request_malformed' },
      });
    },
  );

  it.each(['', '&sort=name', '&sort=-size', '&sort=mtime'])(
    'pages through a directory without losing or repeating an entry%s',
    async (sort) => {
      const { data, path } = await makeFolder();
      const names = Array.from({ length: 25 }, (_, index) => `n${String(index).padStart(2, '0')}`);
      for (const [index, name] of names.entries()) await writeFile(join(data, name), 'x'.repeat(index % 3));
      const seen: unknown[] = [];
      let cursor: unknown = '';
      for (let page = 0; page < 10 && cursor !== null; page += 1) {
        const next = cursor === '' ? '' : `&cursor=${encodeURIComponent(String(cursor))}`;
        const answer = await ada.call('GET', `${path}/files?limit=7${sort}${next}`);
        const items = itemsOf(answer);
        expect(items.length).toBeLessThanOrEqual(7);
        seen.push(...items.map(({ name }) => name));
        cursor = Object(answer.json).next_cursor;
      }
      expect(cursor).toBeNull();
      expect(seen.toSorted()).toEqual(names);
      if (sort === '&sort=name') expect(seen).toEqual(names);
    },
  );

  it('lists 1,000 entries in one page, all of them in the documented text', async () => {
    const { data, path } = await makeFolder();
    for (let index = 0; index < 1_000; index += 1) await writeFile(join(data, `f${index}`), '');
    const answer = await ada.call('GET', `${path}/files`);
    expect(JSON.parse(String(Object(answer.json).files))).toHaveLength(1_000);
    expect(Object(answer.json).next_cursor).toBeNull();
  });

  it('shows a name that is not UTF-8 as not addressable', async () => {
    const { data, path } = await makeFolder();
    await writeFile(Buffer.concat([Buffer.from(`${data}/`), Buffer.from([0x66, 0xff])]), '');
    expect(itemsOf(await ada.call('GET', `${path}/files`))).toMatchObject([
      { name: 'f\ufffd', is_addressable: false },
    ]);
  });

  it('survives times no date can hold', async () => {
    const { data, path } = await makeFolder();
    await writeFile(join(data, 'far'), '');
    await utimes(join(data, 'far'), 2 ** 33, 2 ** 33);
    expect((await ada.call('GET', `${path}/files`)).status).toBe(200);
  });
});

describe('POST /folders/:name/mkdir', () => {
  const make = (path: string, body: object) => ada.call('POST', `${path}/mkdir`, { body });

  it('makes a directory with its parents and answers 201, again and again', async () => {
    const { data, path } = await makeFolder();
    for (let round = 0; round < 2; round += 1) {
      expect(await make(path, { path: 'a/b/데이터' })).toMatchObject({
        status: 201,
        json: { results: { success: [{ msg: null, item: 'a/b/데이터' }], failed: [] } },
      });
    }
    expect((await stat(join(data, 'a/b/데이터'))).isDirectory()).toBe(true);
  });

  it('takes one trailing slash', async () => {
    const { data, path } = await makeFolder();
    expect((await make(path, { path: 'a/' })).status).toBe(201);
    expect(await readdir(data)).toEqual(['a']);
  });

  it('keeps what a directory of that name holds', async () => {
    const { data, path } = await makeFolder();
    await mkdir(join(data, 'a'));
    await writeFile(join(data, 'a', 'kept'), 'x');
    expect((await make(path, { path: 'a' })).status).toBe(201);
    expect(await readdir(join(data, 'a'))).toEqual(['kept']);
  });

  it.each(['file', 'file/a', 'link', 'link/a'])(
    'answers 400 for %s, where a file or link is in the way',
    async (target) => {
      const { data, path } = await makeFolder();
      await writeFile(join(data, 'file'), 'x');
      await mkdir(join(service.root, 'outside'), { recursive: true });
      await symlink(join(service.root, 'outside'), join(data, 'link'));
      expect(await make(path, { path: target })).toMatchObject({
        status: 400,
        json: { code: 'entry_conflict' },
      });
      expect(await readdir(join(service.root, 'outside'))).toEqual([]);
    },
  );

  it('honours exist_ok and parents, as JSON or in the query', async () => {
    const { path } = await makeFolder();
    await make(path, { path: 'a' });
    expect(await make(path, { path: 'a', exist_ok: false })).toMatchObject({ status: 400 });
    expect(await ada.call('POST', `${path}/mkdir?path=a&exist_ok=false`)).toMatchObject({ status: 400 });
    expect(await make(path, { path: 'x/y', parents: false })).toMatchObject({ status: 404 });
    expect(await make(path, { path: 'x/y', parents: true })).toMatchObject({ status: 201 });
  });

  it.each(['', '/', '.', '..', 'a//', '/a', 'a/../b', './a', 'a\0', 'a\nb', '.snapshot', 'x'.repeat(256)])(
    'refuses the path %j with 400 path_invalid',
    async (target) => {
      const { data, path } = await makeFolder();
      expect(await make(path, { path: target })).toMatchObject({
        status: 400,
        json: { code: 'path_invalid' },
      });
      expect(await readdir(data)).toEqual([]);
    },
  );

  it.each([
    {},
    { path: null },
    { path: [] },
    { path: [7] },
    { path: Array.from({ length: 51 }, (_, i) => `${i}`) },
  ])('refuses the input %j with 400', async (body) => {
    const { path } = await makeFolder();
    expect((await make(path, body)).status).toBe(400);
  });

  it('reports each path of a list on its own', async () => {
    const { data, path } = await makeFolder();
    await writeFile(join(data, 'file'), 'x');
    const answer = await make(path, { path: ['a', 'file', 'b/c'] });
    expect(answer).toMatchObject({
      status: 201,
      json: {
        results: {
          success: [
            { msg: null, item: 'a' },
            { msg: null, item: 'b/c' },
          ],
          failed: [{ item: 'file', msg: expect.any(String) }],
        },
      },
    });
    expect((await readdir(data)).toSorted()).toEqual(['a', 'b', 'file']);
  });

  it('answers 400 when no path of a list could be made, with one error each', async () => {
    const { data, path } = await makeFolder();
    await writeFile(join(data, 'file'), 'x');
    expect(await make(path, { path: ['file', 'file/a'] })).toMatchObject({
      status: 400,
      json: { code: 'entry_conflict', errors: [{ pointer: '/path/0' }, { pointer: '/path/1' }] },
    });
  });

  it('makes nothing when one path of a list is malformed', async () => {
    const { data, path } = await makeFolder();
    expect(await make(path, { path: ['good', '../bad'] })).toMatchObject({ status: 400 });
    expect(await readdir(data)).toEqual([]);
  });

  it('answers 201 to all of many concurrent requests for the same directory', async () => {
    const { data, path } = await makeFolder();
    const answers = await Promise.all(Array.from({ length: 20 }, () => make(path, { path: 'p/q/r' })));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 201));
    expect(await readdir(join(data, 'p/q'))).toEqual(['r']);
  });

  it('is for members who may write', async () => {
    const folder = await makeFolder();
    for (const [permission, status] of [
      ['ro', 404],
      ['rw', 201],
      ['rd', 201],
    ] as const) {
      const member = await service.signUp();
      await insertTestMember(service.services.db, {
        folderId: folder.id,
        userId: member.userId,
        name: 'm',
        permission,
      });
      expect((await member.call('POST', '/folders/m/mkdir', { body: { path: permission } })).status).toBe(
        status,
      );
      expect((await member.call('GET', '/folders/m/files')).status).toBe(200);
    }
    expect((await readdir(folder.data)).toSorted()).toEqual(['rd', 'rw']);
  });
});
