import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AdminServer, startAdminServer } from '../admin-server.ts';
import { basic, makeKeypair, type TestKeypair } from '../core-server.ts';

let stage: AdminServer;
let database: AdminServer['database'];
let secrets: AdminServer['secrets'];
let server: AdminServer['server'];
let admin: AdminServer['admin'];

beforeAll(async () => {
  stage = await startAdminServer();
  ({ database, secrets, server, admin } = stage);
});
afterAll(() => stage.close());

function ask(method: string, path: string, keypair: TestKeypair, body?: unknown) {
  return stage.ask(method, path, body, keypair);
}

function post(path: string, body: unknown) {
  return ask('POST', path, admin, body);
}

async function statusOf(keypair: Pick<TestKeypair, 'accessKey' | 'secretKey'>): Promise<number> {
  return (await server.send({ path: '/me', headers: basic(keypair) })).status;
}

describe('POST /admin/keypairs', () => {
  it('makes a working keypair for a user named by id or by e-mail address in any case', async () => {
    const email = 'Key.Owner@example.org';
    const { id } = (await post('/admin/users', { email })).json;
    for (const user of [id, String(id).replaceAll('-', ''), email, email.toLowerCase()]) {
      const answer = await post('/admin/keypairs', { user });
      expect(answer.status).toBe(201);
      const accessKey = String(answer.json.access_key);
      const secretKey = String(answer.json.secret_key);
      expect(accessKey).toMatch(/^[A-Z0-9]{20}$/);
      expect(secretKey).toMatch(/^[\w-]{40}$/);
      const own = await server.send({ path: '/jobs', headers: basic({ accessKey, secretKey }) });
      expect(own.status).toBe(200);
    }
  });

  it('stores the secret only sealed', async () => {
    const { email } = await makeKeypair(database, secrets);
    const secret = String((await post('/admin/keypairs', { user: email })).json.secret_key);
    const rows = await database.db.execute('SELECT secret_sealed::text AS sealed FROM keypairs');
    const asHex = Buffer.from(secret).toString('hex');
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.filter((row) => String(row.sealed).includes(asHex))).toEqual([]);
  });

  it.each(['nobody@example.org', '018f0000-0000-7000-8000-000000000000', 'a\u0000b', '%'])(
    'answers 404 for the unknown user %j',
    async (user) => {
      expect((await post('/admin/keypairs', { user })).status).toBe(404);
    },
  );
});

/** The access keys of a user, by pages of two, each item looked at. */
async function keysOf(user: string, cursor = ''): Promise<string[]> {
  const page = await ask('GET', `/admin/keypairs?user=${user}&limit=2${cursor}`, admin);
  expect(page.status).toBe(200);
  const { items, next_cursor: next } = page.json;
  if (!Array.isArray(items)) throw new Error('no items');
  for (const item of items) {
    expect(Object.keys(item).toSorted()).toEqual(['access_key', 'created_at', 'email', 'is_active', 'user']);
    expect(item).toMatchObject({ email: user, is_active: true });
  }
  const rest = next === null ? [] : await keysOf(user, `&cursor=${next}`);
  return [...items.map((item: { access_key: string }) => item.access_key), ...rest];
}

describe('GET /admin/keypairs', () => {
  it('lists keypairs of one user or all, page by page, without their secrets', async () => {
    const owner = await makeKeypair(database, secrets);
    for (let times = 0; times < 4; times += 1) await post('/admin/keypairs', { user: owner.userId });
    const seen = await keysOf(owner.email);
    expect(seen).toHaveLength(5);
    expect(new Set(seen).size).toBe(5);
    expect(seen).toContain(owner.accessKey);
    const own = await ask('GET', '/me/keypairs', owner);
    expect(own.json).toMatchObject({ items: seen.map((access_key) => ({ access_key })), next_cursor: null });
  });

  it('finds those that are switched off', async () => {
    const owner = await makeKeypair(database, secrets);
    await ask('PATCH', `/admin/keypairs/${owner.accessKey}`, admin, { state: 'inactive' });
    const listed = async (state: string) =>
      (await ask('GET', `/admin/keypairs?user=${owner.userId}&state=${state}`, admin)).json.items;
    expect(await listed('inactive')).toMatchObject([{ access_key: owner.accessKey, is_active: false }]);
    expect(await listed('active')).toEqual([]);
  });

  it.each(['limit=0', 'limit=501', 'state=on', 'cursor=%00', 'cursor=', 'user='])(
    'answers 400 to ?%s',
    async (query) => {
      expect((await ask('GET', `/admin/keypairs?${query}`, admin)).status).toBe(400);
    },
  );

  it('answers 404 to a user who does not exist, never with the keypairs of everybody', async () => {
    expect((await ask('GET', '/admin/keypairs?user=nobody@example.org', admin)).status).toBe(404);
  });
});

describe('PATCH and DELETE /admin/keypairs/:key', () => {
  it('switch a keypair off and on, and leave the others of its user alone', async () => {
    const owner = await makeKeypair(database, secrets);
    const { json } = await post('/admin/keypairs', { user: owner.userId });
    const other = { accessKey: String(json.access_key), secretKey: String(json.secret_key) };
    const path = `/admin/keypairs/${owner.accessKey}`;
    const off = await ask('PATCH', path, admin, { state: 'inactive' });
    expect(off.json).toMatchObject({ access_key: owner.accessKey, is_active: false });
    expect([await statusOf(owner), await statusOf(other)]).toEqual([401, 200]);
    await ask('PATCH', path, admin, { state: 'active' });
    expect(await statusOf(owner)).toBe(200);
    expect((await ask('DELETE', path, admin)).status).toBe(204);
    expect([await statusOf(owner), await statusOf(other)]).toEqual([401, 200]);
    expect((await ask('DELETE', path, admin)).status).toBe(404);
  });

  it('leave the last administrator the one keypair that is switched on', async () => {
    const path = `/admin/keypairs/${admin.accessKey}`;
    const off = await ask('PATCH', path, admin, { state: 'inactive' });
    expect(off.status).toBe(409);
    expect(off.json).toMatchObject({ code: 'last_admin' });
    expect((await ask('DELETE', path, admin)).json).toMatchObject({ code: 'last_admin' });
    expect(await statusOf(admin)).toBe(200);
  });

  it('refuse what is no state', async () => {
    const { accessKey } = await makeKeypair(database, secrets);
    for (const body of [{}, { state: 'gone' }, { state: null }]) {
      expect((await ask('PATCH', `/admin/keypairs/${accessKey}`, admin, body)).status).toBe(400);
    }
  });

  it.each(['NOBODYS', '%20', 'a%C3%A9'])('answer 404 to the unknown key %s', async (key) => {
    expect((await ask('PATCH', `/admin/keypairs/${key}`, admin, { state: 'active' })).status).toBe(404);
    expect((await ask('DELETE', `/admin/keypairs/${key}`, admin)).status).toBe(404);
    expect((await ask('POST', `/admin/keypairs/${key}/rotate`, admin)).status).toBe(404);
    expect((await ask('POST', `/me/keypairs/${key}/rotate`, admin)).status).toBe(404);
  });
});

describe('rotating a keypair', () => {
  it('makes another secret, and the old one is refused from then on', async () => {
    const owner = await makeKeypair(database, secrets);
    for (const [path, actor] of [
      [`/admin/keypairs/${owner.accessKey}/rotate`, admin],
      [`/me/keypairs/${owner.accessKey}/rotate`, owner],
    ] as const) {
      const before = owner.secretKey;
      const answer = await ask('POST', path, actor);
      expect(answer.status).toBe(200);
      expect(answer.json).toEqual({
        access_key: owner.accessKey,
        secret_key: expect.stringMatching(/^[\w-]{40}$/),
      });
      Object.assign(owner, { secretKey: String(answer.json.secret_key) });
      expect(owner.secretKey).not.toBe(before);
      expect(await statusOf({ ...owner, secretKey: before })).toBe(401);
      expect(await statusOf(owner)).toBe(200);
    }
  });

  it('leaves the keypairs of others alone', async () => {
    const [mine, theirs] = [await makeKeypair(database, secrets), await makeKeypair(database, secrets)];
    expect((await ask('POST', `/me/keypairs/${theirs.accessKey}/rotate`, mine)).status).toBe(404);
    expect(await statusOf(theirs)).toBe(200);
  });
});

describe('GET /me', () => {
  it('tells who asks, with what, and what they may own', async () => {
    const me = await makeKeypair(database, secrets);
    expect((await ask('GET', '/me', me)).json).toEqual({
      id: me.userId,
      email: me.email,
      role: 'user',
      access_key: me.accessKey,
      policy: 'default',
      folders: 0,
      limits: { folders: 100, folder_bytes: 1024 ** 3, folder_files: 1_000 },
    });
    expect((await ask('GET', '/me', admin)).json).toMatchObject({ role: 'admin' });
  });

  it('shows a token as the user it is, and gives it no keypairs', async () => {
    const { json } = await post('/tokens', { name: 'x' });
    const headers = { authorization: `Bearer ${json.token}` };
    const me = await server.send({ path: '/me', headers });
    expect(me.json).toMatchObject({ email: admin.email, role: 'user', access_key: null });
    for (const [method, path] of [
      ['GET', '/me/keypairs'],
      ['POST', `/me/keypairs/${admin.accessKey}/rotate`],
    ] as const) {
      const answer = await server.send({ method, path, headers });
      expect(answer.json).toMatchObject({ status: 403, code: 'scope_missing' });
    }
  });
});
