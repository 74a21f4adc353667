import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Client } from '../support/http-client.ts';
import { pathOf } from '../support/http-client.ts';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import { listAt, textAt, textsAt } from '../support/json.ts';
import { folderDir } from '../support/tree-usage.ts';
import { createFolder, createUser, share, upload } from '../support/users.ts';
import { expectProblem, expectStatus, hexId, isoTime } from './rules.ts';
import { type People, type Stage, sharedFolder, usePeople } from './stage.ts';

const goodNames = [
  'My Data',
  'a',
  '-rf',
  '_x',
  '.hidden',
  '...',
  'a+b c%2Fd',
  '100% "sure" & <b>it\'s;?#=:@$,|*~`^{}[]()!',
  '데이터-ñandú-日本語',
  '👩‍👩‍👧‍👦',
  'x'.repeat(64),
  '𝔘'.repeat(64),
  'Create',
  'files',
  'null',
];

const badNames: readonly (readonly [what: string, name: unknown])[] = [
  ['nothing', ''],
  ['65 characters', 'x'.repeat(65)],
  ['65 characters of two code units', '𝔘'.repeat(65)],
  ['a space in front', ' a'],
  ['a space behind', 'a '],
  ['one dot', '.'],
  ['two dots', '..'],
  ['the reserved _', '_'],
  ['the reserved create', 'create'],
  ['the reserved invitations', 'invitations'],
  ['the reserved purge', 'purge'],
  ['the reserved restore-from-trash-bin', 'restore-from-trash-bin'],
  ['the reserved delete-from-trash-bin', 'delete-from-trash-bin'],
  ['a slash', 'a/b'],
  ['a backslash', 'a\\b'],
  ['a newline', 'a\nb'],
  ['NUL', 'a\u0000b'],
  ['DEL', 'a\u007fb'],
  ['a C1 control', 'a\u0085b'],
  ['decomposed characters', 'e\u0301'],
  ['a lone surrogate', '\ud800'],
];

const badTypes: readonly unknown[] = [
  {},
  { name: null },
  { name: 7 },
  { name: true },
  { name: ['a'] },
  { name: { a: 1 } },
];

function describeCreation(stage: Stage, people: People): void {
  it.each(['/folders/create', '/folders'])('creates a folder by POST %s', async (path) => {
    const name = `by ${path.length}`;
    const answer = await people.ada.client.call('POST', path, { json: { name } });
    expectStatus(answer, 201);
    expect(answer.json).toEqual({ id: hexId, name, host: 'local' });
  });

  it('takes a storage host that exists, and null for the default one', async () => {
    for (const host of ['local', null]) {
      const answer = await people.ada.client.call('POST', '/folders', { json: { name: `on ${host}`, host } });
      expectStatus(answer, 201);
      expect(answer.json).toMatchObject({ host: 'local' });
    }
    const unknown = await people.ada.client.call('POST', '/folders', {
      json: { name: 'n', host: 'elsewhere' },
    });
    expectProblem(unknown, 400, 'request_malformed');
  });

  it('takes parameters from the query, which wins over the body', async () => {
    const { client } = people.ada;
    const alone = await client.call('POST', '/folders', { query: { name: 'from query' } });
    expect(alone.json).toMatchObject({ name: 'from query' });
    const both = await client.call('POST', '/folders', { query: { name: 'wins' }, json: { name: 'loses' } });
    expect(both.json).toMatchObject({ name: 'wins' });
  });

  it.each(goodNames)('keeps the name %j through creation, info, listing and deletion', async (name) => {
    const { client } = await createUser(stage.service);
    const folder = await createFolder(client, name);
    const info = await client.call('GET', folder.path());
    expect(textAt(info.json, 'item', 'name')).toBe(name);
    expect(textsAt((await client.call('GET', '/folders')).json, 'name', 'items')).toEqual([name]);
    expectStatus(await client.call('DELETE', folder.path()), 204);
    expect(listAt((await client.call('GET', '/folders')).json, 'items')).toEqual([]);
  });

  it.each(badNames)('refuses a name with %s', async (_what, name) => {
    for (const path of ['/folders/create', '/folders']) {
      const answer = await people.ada.client.call('POST', path, { json: { name } });
      expectProblem(answer, 400, 'name_invalid');
    }
  });

  it.each(badTypes)('refuses %j as parameters and says which is wrong', async (json) => {
    const answer = await people.ada.client.call('POST', '/folders/create', { json });
    expectProblem(answer, 400, 'request_malformed');
    expect(textsAt(answer.json, 'pointer', 'errors')).toEqual(['/name']);
  });

  it('refuses a name that is taken, but not one in another case or of another user', async () => {
    const { ada, bob } = people;
    await createFolder(ada.client, 'Taken');
    expectProblem(
      await ada.client.call('POST', '/folders', { json: { name: 'Taken' } }),
      400,
      'folder_name_taken',
    );
    await createFolder(ada.client, 'taken');
    await createFolder(bob.client, 'Taken');
  });

  it('refuses the name of a folder that was shared with the caller', async () => {
    const folder = await sharedFolder(people, 'ro');
    const answer = await people.bob.client.call('POST', '/folders', { json: { name: folder.name } });
    expectProblem(answer, 400, 'folder_name_taken');
  });

  it('lets exactly one of many concurrent creations have a name', async () => {
    const calls = Array.from({ length: 12 }, () =>
      people.ada.client.call('POST', '/folders', { json: { name: 'contended' } }),
    );
    const statuses = (await Promise.all(calls)).map(({ status }) => status).toSorted();
    expect(statuses).toEqual([201, ...Array.from({ length: 11 }, () => 400)]);
  });

  it('refuses the 101st folder with 406, however many are asked for at once, until one is deleted', async () => {
    const { client } = await createUser(stage.service, 'collector');
    const create = (number: number) => client.call('POST', '/folders', { json: { name: `f${number}` } });
    const answers = await Promise.all(Array.from({ length: 104 }, (_, number) => create(number)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(100);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused).toHaveLength(4);
    for (const answer of refused) {
      expectProblem(answer, 406, 'folder_limit_reached');
      expect(answer.json).toMatchObject({ limit: 100, used: 100 });
    }
    const kept = textAt(answers.find(({ status }) => status === 201)?.json, 'name');
    expectStatus(await client.call('DELETE', pathOf('folders', kept)), 204);
    expectStatus(await create(104), 201);
    expectProblem(await create(105), 406, 'folder_limit_reached');
  });
}

async function listNames(client: Client, options: Parameters<Client['call']>[2]): Promise<unknown> {
  const answer = await client.call('GET', '/folders', options);
  expectStatus(answer, 200);
  return { paging: Reflect.get(Object(answer.json), 'paging'), names: textsAt(answer.json, 'name', 'items') };
}

function describeListing(stage: Stage, people: People): void {
  it('shows no folders to a new user', async () => {
    const { client } = await createUser(stage.service);
    const answer = await client.call('GET', '/folders');
    expect(answer.json).toEqual({ paging: { pages: 0, count: 0 }, items: [] });
  });

  it('shows own and shared folders with name, id, ownership and permission', async () => {
    const reader = await createUser(stage.service);
    const own = await createFolder(reader.client, 'own');
    const given = await createFolder(people.ada.client, `given-${reader.id}`);
    await share(given, people.ada.client, { user: reader, permission: 'rw' });
    const answer = await reader.client.call('GET', '/folders');
    expect(answer.json).toEqual({
      paging: { pages: 1, count: 2 },
      items: [
        expect.objectContaining({
          name: given.name,
          id: given.id,
          is_owner: false,
          permission: 'rw',
          host: 'local',
        }),
        expect.objectContaining({
          name: 'own',
          id: own.id,
          is_owner: true,
          permission: 'rd',
          created_at: isoTime,
        }),
      ],
    });
  });

  it('pages by size and index in every spelling', async () => {
    const { client } = await createUser(stage.service);
    for (const name of ['a', 'b', 'c', 'd', 'e']) await createFolder(client, name);
    const all = { paging: { pages: 1, count: 5 }, names: ['a', 'b', 'c', 'd', 'e'] };
    const second = { paging: { pages: 3, count: 5 }, names: ['c', 'd'] };
    expect(await listNames(client, {})).toEqual(all);
    for (const json of [
      {},
      { paging: {} },
      { paging: null },
      { paging: { size: 0 } },
      { paging: { size: 5 } },
    ]) {
      expect(await listNames(client, { json })).toEqual(all);
    }
    expect(await listNames(client, { json: { paging: { size: 2, index: 1 } } })).toEqual(second);
    expect(await listNames(client, { query: { paging: '{"size":2,"index":1}' } })).toEqual(second);
    expect(await listNames(client, { query: { 'paging[size]': 2, 'paging[index]': 1 } })).toEqual(second);
    expect(await listNames(client, { query: { size: 2, index: 1 } })).toEqual(second);
    expect(await listNames(client, { query: { size: 2, index: 2 } })).toMatchObject({ names: ['e'] });
    expect(await listNames(client, { query: { size: 2, index: 3 } })).toEqual({ ...second, names: [] });
    expect(await listNames(client, { query: { index: 1 } })).toEqual({ ...all, names: [] });
    expect(await listNames(client, { query: { size: 1, index: 999_999_999 } })).toMatchObject({ names: [] });
  });

  it.each([
    { paging: 5 },
    { paging: [1, 2] },
    { paging: { size: -1 } },
    { paging: { size: 1.5 } },
    { paging: { size: 'many' } },
    { paging: { index: -1 } },
    { paging: { size: 1e300 } },
    { paging: { size: true } },
  ])('refuses %j', async (json) => {
    expectProblem(await people.ada.client.call('GET', '/folders', { json }), 400, 'request_malformed');
  });
}

function describeInfo(people: People): void {
  it('tells what is in a folder', async () => {
    const { ada } = people;
    const folder = await createFolder(ada.client);
    await upload(ada.client, folder, { a: 'four', 'deep/er/b': 'sixsix', empty: '' });
    const answer = await ada.client.call('GET', folder.path());
    expectStatus(answer, 200);
    expect(answer.json).toEqual({
      item: expect.objectContaining({
        name: folder.name,
        id: folder.id,
        linked: false,
        numFiles: 3,
        used_bytes: 10,
        is_owner: true,
        permission: 'rd',
        host: 'local',
        created: isoTime,
        usage_as_of: isoTime,
        quota_bytes: 1024 ** 3,
        quota_files: 1000,
      }),
    });
  });

  it('finds a folder by its id in hex, in upper case and dashed, which goes before a name', async () => {
    const { client } = people.ada;
    const folder = await createFolder(client);
    const dashed = folder.id.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
    for (const id of [folder.id, folder.id.toUpperCase(), dashed]) {
      const answer = await client.call('GET', pathOf('folders', id));
      expect(textAt(answer.json, 'item', 'name')).toBe(folder.name);
    }
    const decoy = await createFolder(client, folder.id);
    const answer = await client.call('GET', pathOf('folders', folder.id));
    expect(textAt(answer.json, 'item', 'name')).toBe(folder.name);
    expectStatus(await client.call('DELETE', pathOf('folders', decoy.id)), 204);
  });

  it('shows a member their own permission', async () => {
    const folder = await sharedFolder(people, 'ro');
    const answer = await people.bob.client.call('GET', folder.path());
    expect(answer.json).toMatchObject({ item: { is_owner: false, permission: 'ro', id: folder.id } });
  });

  it.each(['nothing-here', '00000000000000000000000000000000', 'x'.repeat(65), 'e%CC%81', '_', '%25'])(
    'does not find %s',
    async (name) => {
      const answer = await people.ada.client.call('GET', `/folders/${name}`);
      expectProblem(answer, 404, 'not_found');
    },
  );
}

function describeDeletion(stage: Stage, people: People): void {
  it('deletes at once, frees the name at once and the disk soon', async () => {
    const { client } = people.ada;
    const folder = await createFolder(client, 'doomed');
    await upload(client, folder, { 'a/b/c': 'x', d: 'y' });
    const dir = folderDir(stage.service.volumeRoot, folder.id);
    expect(existsSync(dir)).toBe(true);
    expectStatus(await client.call('DELETE', folder.path()), 204);
    expectProblem(await client.call('GET', folder.path()), 404, 'not_found');
    expectProblem(await client.call('DELETE', folder.path()), 404, 'not_found');
    expectProblem(await client.call('GET', pathOf('folders', folder.id)), 404, 'not_found');
    const again = await createFolder(client, 'doomed');
    expect(again.id).not.toBe(folder.id);
    expect((await client.call('GET', again.path())).json).toMatchObject({ item: { numFiles: 0 } });
    await eventually(() => expect(existsSync(dir)).toBe(false));
  });

  it('lets exactly one of many concurrent deletions succeed', async () => {
    const folder = await createFolder(people.ada.client);
    const calls = Array.from({ length: 8 }, () => people.ada.client.call('DELETE', folder.path()));
    const statuses = (await Promise.all(calls)).map(({ status }) => status).toSorted();
    expect(statuses).toEqual([204, ...Array.from({ length: 7 }, () => 404)]);
  });

  it('takes the folder from its members and ends its invitations', async () => {
    const { ada, bob } = people;
    const folder = await sharedFolder(people, 'rd');
    const carol = await createUser(stage.service, 'carol');
    await ada.client.call('POST', folder.path('invite'), { json: { perm: 'ro', user_ids: [carol.email] } });
    expectStatus(await ada.client.call('DELETE', folder.path()), 204);
    expectProblem(await bob.client.call('GET', folder.path()), 404, 'not_found');
    const pending = await carol.client.call('GET', '/folders/invitations/list');
    expect(listAt(pending.json, 'items')).toEqual([]);
    await createFolder(bob.client, folder.name);
  });

  it('answers 202 and the job with Prefer: respond-async, having taken the folder away', async () => {
    const { client } = people.ada;
    const folder = await createFolder(client);
    const answer = await client.call('DELETE', folder.path(), { headers: { Prefer: 'respond-async' } });
    expectStatus(answer, 202);
    expect(answer.headers['preference-applied']).toBe('respond-async');
    expectProblem(await client.call('GET', folder.path()), 404, 'not_found');
    const job = await awaitJob(client, jobIdIn(answer.headers));
    expect(job).toMatchObject({ kind: 'folder.purge', state: 'succeeded' });
  });
}

/** Create, list, read and delete folders. */
export function describeFolders(stage: Stage): void {
  const people = usePeople(stage);
  describe('creation', () => describeCreation(stage, people));
  describe('listing', () => describeListing(stage, people));
  describe('info', () => describeInfo(people));
  describe('deletion', () => describeDeletion(stage, people));
}
