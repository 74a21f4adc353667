import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folders } from '../../../db/schema/folders.ts';
import { jobs } from '../../../db/schema/jobs.ts';
import { reservedFolderNames } from '../../../domain/folder-name.ts';
import { parseId } from '../../../domain/ids.ts';
import { insertTestMember } from '../../support/factories.ts';
import { type Caller, itemsOf, startTestService, type TestService } from './test-service.ts';

let service: TestService;
let ada: Caller;
let bob: Caller;
beforeAll(async () => {
  service = await startTestService();
  [ada, bob] = [await service.signUp(), await service.signUp()];
});
afterAll(() => service.close());

let counter = 0;
async function makeFolder(owner: Caller, name = `folder ${++counter}`) {
  const answer = await owner.call('POST', '/folders', { body: { name } });
  expect(answer.status).toBe(201);
  const hex = String(Object(answer.json).id);
  return { name, hex, id: parseId(hex) ?? '', path: `/folders/${encodeURIComponent(name)}` };
}

async function share(folder: { id: string; name: string }, member: Caller, permission: 'ro' | 'rw' | 'rd') {
  const { id: folderId, name } = folder;
  await insertTestMember(service.services.db, { folderId, userId: member.userId, name, permission });
}

describe.each(['/folders', '/folders/create'])('POST %s', (path) => {
  it('makes a folder and its directories, and answers id, name and host', async () => {
    const name = `My Data ${path.length}`;
    const answer = await ada.call('POST', path, { body: { name } });
    expect(answer.status).toBe(201);
    const id = String(Object(answer.json).id);
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(answer.json).toEqual({ id, name, host: 'local' });
    const listing = await ada.call('GET', `/folders/${encodeURIComponent(name)}/files`);
    expect(listing.json).toEqual({ files: '[]', items: [], next_cursor: null });
  });

  it('takes a named host and a null one', async () => {
    for (const host of ['local', null]) {
      const body = { name: `on ${host} ${path.length}`, host };
      expect(await ada.call('POST', path, { body })).toMatchObject({ status: 201, json: { host: 'local' } });
    }
  });

  it('refuses an unknown host with 400', async () => {
    const answer = await ada.call('POST', path, { body: { name: 'nowhere', host: 'mars' } });
    expect(answer).toMatchObject({ status: 400, json: { code: 'request_malformed' } });
  });
});

describe('names of folders', () => {
  it.each([
    '데이터',
    'größe',
    '🗂 data',
    '-dash',
    '.hidden',
    '%2F',
    "it's",
    'a+b',
    'x'.repeat(64),
    '🗂'.repeat(64),
  ])('takes %j and finds the folder under it', async (name) => {
    const folder = await makeFolder(ada, name);
    expect(await ada.call('GET', folder.path)).toMatchObject({ status: 200, json: { item: { name } } });
    expect((await ada.call('DELETE', folder.path)).status).toBe(204);
  });

  it.each([
    ...reservedFolderNames,
    '',
    '.',
    '..',
    ' a',
    'a ',
    'a/b',
    'a\\b',
    'a\0b',
    'a\nb',
    'x'.repeat(65),
    'e\u0301',
    'a\u202eb',
    '\ud800',
  ])('refuses %j with 400 name_invalid', async (name) => {
    const answer = await ada.call('POST', '/folders', { body: { name } });
    expect(answer).toMatchObject({ status: 400, json: { code: 'name_invalid' } });
  });

  it.each([{}, { name: null }, { name: 7 }, { name: ['a'] }, { name: {} }])(
    'refuses the input %j',
    async (body) => {
      expect(await ada.call('POST', '/folders', { body })).toMatchObject({
        status: 400,
        json: { code: 'request_malformed' },
      });
    },
  );

  it('refuses a name the caller already sees, owned or shared, and frees it on deletion', async () => {
    const folder = await makeFolder(ada);
    await share(folder, bob, 'rw');
    for (const caller of [ada, bob]) {
      const answer = await caller.call('POST', '/folders', { body: { name: folder.name } });
      expect(answer).toMatchObject({ status: 400, json: { code: 'folder_name_taken' } });
    }
    await ada.call('DELETE', folder.path);
    await makeFolder(bob, folder.name);
    await makeFolder(ada, folder.name);
  });
});

describe('the limit on folders', () => {
  it('answers 406, counts live owned folders only and leaves nothing behind', async () => {
    const caller = await service.signUp({ foldersMax: 2 });
    await share(await makeFolder(ada), caller, 'rd');
    const first = await makeFolder(caller);
    await makeFolder(caller);
    const before = await service.listStoredFolders();
    const refused = await caller.call('POST', '/folders', { body: { name: 'third' } });
    expect(refused).toMatchObject({ status: 406, json: { code: 'folder_limit_reached', limit: 2, used: 2 } });
    expect(await service.listStoredFolders()).toEqual(before);
    await caller.call('DELETE', first.path);
    await makeFolder(caller, 'third');
  });
});

describe('GET /folders', () => {
  it('lists own and shared folders by name, with every key that published clients read', async () => {
    const [owner, member] = [await service.signUp(), await service.signUp()];
    const shared = await makeFolder(owner, 'b shared');
    await share(shared, member, 'ro');
    await makeFolder(member, 'a own');
    const answer = await member.call('GET', '/folders', { body: { all: false } });
    expect(answer.status).toBe(200);
    expect(Object(answer.json).paging).toEqual({ pages: 1, count: 2 });
    expect(itemsOf(answer)).toMatchObject([
      { name: 'a own', is_owner: true, permission: 'rd' },
      { name: 'b shared' },
    ]);
    expect(itemsOf(answer)[1]).toEqual({
      name: 'b shared',
      id: shared.hex,
      host: 'local',
      is_owner: false,
      permission: 'ro',
      type: 'user',
      user: owner.userId,
      group: null,
      usage_mode: 'general',
      cloneable: false,
      default_permission: 'rw',
      status: 'ready',
      ownership_type: 'user',
      creator: owner.email,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
  });

  it('pages by size and index, as JSON body or query, and is empty past the end', async () => {
    const caller = await service.signUp();
    expect((await caller.call('GET', '/folders')).json).toEqual({
      paging: { pages: 0, count: 0 },
      items: [],
    });
    for (const name of ['a', 'b', 'c', 'd', 'e']) await makeFolder(caller, name);
    const page = async (query: string, body?: unknown) => {
      const answer = await caller.call('GET', `/folders${query}`, { body });
      return [
        Object(answer.json).paging.pages,
        itemsOf(answer)
          .map(({ name }) => name)
          .join(''),
      ];
    };
    expect(await page('', { paging: { size: 2, index: 0 } })).toEqual([3, 'ab']);
    expect(await page('', { paging: { size: 2, index: 2 } })).toEqual([3, 'e']);
    expect(await page('', { paging: { size: 2, index: 3 } })).toEqual([3, '']);
    expect(await page('', { paging: { size: 0 } })).toEqual([1, 'abcde']);
    expect(await page('', { paging: {} })).toEqual([1, 'abcde']);
    expect(await page('?size=5&index=1')).toEqual([1, '']);
    expect(await page('?paging[size]=4&paging[index]=1')).toEqual([2, 'e']);
    expect(await page(`?paging=${encodeURIComponent('{"size":3,"index":1}')}`)).toEqual([2, 'de']);
    expect(await page('?size=1000000&index=1000000000')).toEqual([1, '']);
  });

  it.each([{ size: -1 }, { index: -1 }, { size: 1.5 }, { size: 'two' }, 7])(
    'refuses the paging %j',
    async (paging) => {
      expect((await ada.call('GET', '/folders', { body: { paging } })).status).toBe(400);
    },
  );

  it('needs credentials', async () => {
    expect((await service.anonymous.call('GET', '/folders')).status).toBe(401);
  });
});

describe('GET /folders/:name', () => {
  it('answers from the counters, for the name and for the id in both spellings', async () => {
    const folder = await makeFolder(ada);
    const usage = {
      usedFiles: 3,
      usedBytes: 77,
      reservedBytes: 5,
      reservedFiles: 1,
      trashBytes: 9,
      trashFiles: 2,
    };
    await service.services.db.update(folders).set(usage).where(eq(folders.id, folder.id));
    const byName = await ada.call('GET', folder.path);
    expect(byName.status).toBe(200);
    expect(Object(byName.json).item).toMatchObject({
      name: folder.name,
      id: folder.hex,
      linked: false,
      numFiles: 3,
      used_bytes: 77,
      reserved_bytes: 5,
      reserved_files: 1,
      trash_bytes: 9,
      trash_files: 2,
      quota_bytes: 1024 ** 3,
      quota_files: 1000,
      is_owner: true,
      permission: 'rd',
      created: expect.any(String),
      usage_as_of: expect.any(String),
      creator: ada.email,
    });
    for (const id of [folder.hex, folder.id, folder.hex.toUpperCase()]) {
      expect((await ada.call('GET', `/folders/${id}`)).json).toEqual(byName.json);
    }
  });

  it('prefers an id over a name that looks like it', async () => {
    const meant = await makeFolder(ada);
    await makeFolder(ada, meant.hex);
    expect((await ada.call('GET', `/folders/${meant.hex}`)).json).toMatchObject({ item: { id: meant.hex } });
  });

  it('answers for a folder whose volume this process does not have', async () => {
    const folder = await makeFolder(ada);
    await service.services.db.update(folders).set({ volume: 'gone' }).where(eq(folders.id, folder.id));
    expect((await ada.call('GET', folder.path)).status).toBe(200);
    expect(await ada.call('GET', `${folder.path}/files`)).toMatchObject({
      status: 503,
      json: { code: 'volume_unavailable' },
    });
  });
});

describe('missing and forbidden', () => {
  const requests = [
    ['GET', ''],
    ['DELETE', ''],
    ['GET', '/files'],
    ['POST', '/mkdir', { path: 'a' }],
    ['POST', '/invite', { perm: 'ro', user_ids: ['x@example.org'] }],
    ['GET', '/members'],
    ['DELETE', '/members/x@example.org'],
    ['POST', '/leave'],
  ] as const;

  it.each(requests)('answers the same 404 to %s /folders/:name%s', async (method, suffix, body?: object) => {
    const [owner, stranger] = [await service.signUp(), await service.signUp()];
    const path = `/folders/x${suffix}`;
    const missing = await stranger.call(method, path, { body });
    const folder = await makeFolder(owner, 'x');
    const foreign = await stranger.call(method, path, { body });
    await owner.call('DELETE', folder.path);
    const deleted = await owner.call(method, path, { body });
    expect(missing).toMatchObject({ status: 404, json: { code: 'not_found', instance: path } });
    expect(foreign.text).toBe(missing.text);
    expect(deleted.text).toBe(missing.text);
  });

  it.each([
    ['ro', 'POST', '/mkdir', { path: 'a' }],
    ['ro', 'DELETE', '', {}],
    ['rw', 'DELETE', '', {}],
    ['rd', 'DELETE', '', {}],
    ['rd', 'POST', '/invite', { perm: 'ro', user_ids: ['x@example.org'] }],
    ['rd', 'GET', '/members', {}],
  ] as const)('answers it to a member with %s for %s %s', async (permission, method, suffix, body) => {
    const member = await service.signUp();
    const path = `/folders/x${suffix}`;
    const missing = await member.call(method, path, { body });
    const owner = await service.signUp();
    await share(await makeFolder(owner, 'x'), member, permission);
    expect((await member.call(method, path, { body })).text).toBe(missing.text);
    expect((await owner.call('GET', '/folders/x')).status).toBe(200);
  });

  it.each(['create', '_', '%ff', 'x'.repeat(300), '%ED%A0%80'])(
    'never answers 5xx to GET /folders/%s',
    async (name) => {
      expect([400, 404, 405]).toContain((await ada.call('GET', `/folders/${name}`)).status);
    },
  );
});

describe('DELETE /folders/:name', () => {
  it('answers 204 without a body, at once takes the folder from everybody and queues one purge', async () => {
    const folder = await makeFolder(ada);
    await share(folder, bob, 'rd');
    const answer = await ada.call('DELETE', folder.path);
    expect(answer).toMatchObject({ status: 204, text: '' });
    for (const caller of [ada, bob]) {
      expect((await caller.call('GET', folder.path)).status).toBe(404);
      expect(itemsOf(await caller.call('GET', '/folders')).map(({ id }) => id)).not.toContain(folder.hex);
    }
    const rows = await service.services.db.select().from(jobs).where(eq(jobs.folderId, folder.id));
    expect(rows).toMatchObject([{ kind: 'folder.purge', volume: 'local', actorId: ada.userId, payload: {} }]);
  });

  it('answers 202 and where the job is, when asked to respond asynchronously', async () => {
    const folder = await makeFolder(ada);
    const answer = await ada.call('DELETE', folder.path, { headers: { Prefer: 'respond-async' } });
    expect(answer.status).toBe(202);
    const id = String(Object(answer.json).id);
    expect(answer.headers).toMatchObject({ location: `/jobs/${id}`, 'preference-applied': 'respond-async' });
    const rows = await service.services.db.select().from(jobs).where(eq(jobs.id, id));
    expect(rows).toMatchObject([{ kind: 'folder.purge', folderId: folder.id }]);
  });

  it('takes the id as well as the name', async () => {
    const folder = await makeFolder(ada);
    expect((await ada.call('DELETE', `/folders/${folder.hex}`)).status).toBe(204);
    expect((await ada.call('GET', folder.path)).status).toBe(404);
  });
});
