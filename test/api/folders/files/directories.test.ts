import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { folders } from '../../../../db/schema/folders.ts';
import { parseId } from '../../../../domain/ids.ts';
import { folderDirectoriesLeast } from '../../../../domain/quota.ts';
import { type Caller, startTestService, type TestService } from '../test-service.ts';

let service: TestService;
let ada: Caller;
beforeAll(async () => {
  service = await startTestService();
  ada = await service.signUp();
});
afterAll(() => service.close());

let counter = 0;
async function makeFolder({ room }: { readonly room: number }) {
  const name = `directories-${++counter}`;
  const answer = await ada.call('POST', '/folders', { body: { name } });
  const id = parseId(String(Object(answer.json).id)) ?? '';
  const data = join(service.root, 'f', id.slice(-4, -2), id.slice(-2), id, 'data');
  expect((await stat(data)).isDirectory()).toBe(true);
  const { db } = service.services;
  const make = (path: string | readonly string[], more: object = {}) =>
    ada.call('POST', `/folders/${name}/mkdir`, { body: { path, ...more } });
  const left = async () => {
    const [row] = await db.select().from(folders).where(eq(folders.id, id));
    return folderDirectoriesLeast - (row?.directories ?? 0);
  };
  await db
    .update(folders)
    .set({ directories: folderDirectoriesLeast - room })
    .where(eq(folders.id, id));
  return { data, make, left };
}

it('counts what it makes, parents included, and nothing that is there or cannot be made', async () => {
  const { make, left } = await makeFolder({ room: 100 });
  expect((await make('a/b/c')).status).toBe(201);
  expect(await left()).toBe(97);
  expect((await make('a/b/c')).status).toBe(201);
  expect((await make('a/b', { exist_ok: false })).status).toBe(400);
  expect((await make('x/y', { parents: false })).status).toBe(404);
  expect((await make(['d', 'a', 'e', 'x/y'], { parents: false })).status).toBe(201);
  expect(await left()).toBe(95);
});

it('refuses what the folder may not hold, with figures, and makes nothing then', async () => {
  const { data, make, left } = await makeFolder({ room: 2 });
  const refused = await make('a/b/c');
  expect(refused.status).toBe(507);
  expect(refused.json).toMatchObject({
    type: '/problems/quota_exceeded',
    resource: 'directories',
    limit: folderDirectoriesLeast,
    used: folderDirectoriesLeast - 2,
    reserved: 0,
    requested: 3,
  });
  expect(await readdir(data)).toEqual([]);
  expect((await make('a/b')).status).toBe(201);
  expect(await left()).toBe(0);
  expect((await make('c')).status).toBe(507);
  expect((await make('a/b')).status).toBe(201);
});

it('makes as many of a list as there may be', async () => {
  const { data, make, left } = await makeFolder({ room: 3 });
  await mkdir(join(data, 'there'));
  const paths = ['a', 'there', 'b', 'c', 'd'];
  expect((await make(paths)).status).toBe(507);
  expect((await readdir(data)).toSorted()).toEqual(['a', 'b', 'c', 'there']);
  expect(await left()).toBe(0);
});

it('makes no more than there may be, however many ask at the same time', async () => {
  const { data, make, left } = await makeFolder({ room: 10 });
  const asked = Array.from({ length: 40 }, (_, index) => make(`d${index % 20}/e`));
  const statuses = (await Promise.all(asked)).map(({ status }) => status);
  expect(statuses.every((status) => [201, 400, 507].includes(status))).toBe(true);
  const made = await readdir(data, { recursive: true });
  expect(made.length).toBeLessThanOrEqual(10);
  expect(await left()).toBe(10 - made.length);
});
