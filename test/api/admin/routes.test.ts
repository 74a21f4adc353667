import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { insertTestFolder } from '../../support/factories.ts';
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

function post(path: string, body: unknown, keypair: TestKeypair = admin) {
  return stage.ask('POST', path, body, keypair);
}

function patch(path: string, body: unknown, keypair: TestKeypair = admin) {
  return stage.ask('PATCH', path, body, keypair);
}

function get(path: string) {
  return server.send({ path, headers: basic(admin) });
}

/** The cookie of a browser that signs in. */
async function signIn({ accessKey, secretKey }: TestKeypair): Promise<string> {
  const answer = await server.send({
    method: 'POST',
    path: '/sign-in',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: `http://${server.host}` },
    body: new URLSearchParams({ access_key: accessKey, secret_key: secretKey }).toString(),
  });
  const [cookie = ''] = answer.headers['set-cookie'] ?? [];
  return cookie.split(';')[0] ?? '';
}

describe('POST /admin/users', () => {
  it('makes a user and answers the address as given', async () => {
    const answer = await post('/admin/users', { email: 'Ada.Lovelace@Example.org' });
    expect(answer.status).toBe(201);
    expect(answer.json).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      email: 'Ada.Lovelace@Example.org',
    });
  });

  it('refuses an address that is taken in another case with 409 email_taken', async () => {
    await post('/admin/users', { email: 'Grace@example.org' });
    const answer = await post('/admin/users', { email: 'gRACE@EXAMPLE.ORG' });
    expect(answer.status).toBe(409);
    expect(answer.json).toMatchObject({ code: 'email_taken', type: '/problems/email_taken', status: 409 });
  });

  it('makes one user when the same address is asked for by many at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => post('/admin/users', { email: 'race@example.org' })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(11);
  });

  it.each([
    {},
    { email: 'nobody' },
    { email: 5 },
    { email: `${'a'.repeat(250)}@example.org` },
    { email: 'a\u0000@b.org' },
  ])('refuses %j with 400 and names the field', async (body) => {
    const answer = await post('/admin/users', body);
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({ code: 'request_malformed', errors: [{ pointer: '/email' }] });
  });

  it('answers 403 admin_required to a keypair of an ordinary user, whatever the body', async () => {
    const user = await makeKeypair(database, secrets);
    const answer = await post('/admin/users', { email: 5 }, user);
    expect(answer.status).toBe(403);
    expect(answer.json).toMatchObject({ code: 'admin_required' });
  });
});

describe('GET /admin/users', () => {
  it('lists users page by page, each once', async () => {
    await database.db.execute(
      `INSERT INTO users (id, email) SELECT gen_random_uuid(), 'many-' || n || '@example.org' FROM generate_series(1, 230) n`,
    );
    const seen: string[] = [];
    let cursor: unknown = null;
    do {
      const query = cursor === null ? '' : `?cursor=${cursor}`;
      const page = await server.send({ path: `/admin/users${query}`, headers: basic(admin) });
      expect(page.status).toBe(200);
      const { items } = page.json;
      if (!Array.isArray(items)) throw new Error('no items');
      seen.push(...items.map((item: { id: string }) => item.id));
      cursor = page.json.next_cursor;
    } while (cursor !== null);
    const [count] = await database.db.execute('SELECT count(*)::int AS n FROM users');
    expect(seen).toHaveLength(Number(count?.n));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('answers 400 to a cursor of no list', async () => {
    const answer = await server.send({ path: '/admin/users?cursor=x', headers: basic(admin) });
    expect(answer.status).toBe(400);
  });

  it('finds users by state, role and a part of their address in any case', async () => {
    const word = `Find%Me_${Date.now()}`;
    const { userId } = await makeKeypair(database, secrets, { isActive: false });
    await database.db.execute(`UPDATE users SET email = '${word}@x.org' WHERE id = '${userId}'`);
    const ids = async (query: string) => {
      const { json } = await get(`/admin/users?${query}`);
      return (Array.isArray(json.items) ? json.items : []).map((item: { id: string }) => item.id);
    };
    const text = encodeURIComponent(word.toUpperCase());
    expect(await ids(`text=${text}`)).toEqual([userId]);
    expect(await ids(`text=${text}&state=inactive&role=user`)).toEqual([userId]);
    expect(await ids(`text=${text}&state=active`)).toEqual([]);
    expect(await ids(`text=${text}&role=admin`)).toEqual([]);
    expect(await ids('text=%25e%25')).toEqual([]);
    expect(await ids('role=admin&limit=1')).toHaveLength(1);
  });

  it.each(['limit=0', 'limit=501', 'limit=-1', 'limit=x', 'state=on', 'role=root', 'text=', 'text=%00'])(
    'answers 400 to ?%s',
    async (query) => {
      const answer = await get(`/admin/users?${query}`);
      expect(answer.status).toBe(400);
      expect(answer.json).toMatchObject({ code: 'request_malformed' });
    },
  );
});

describe('GET /admin/users/:id', () => {
  it('shows a user by id or address in any case, with what they have', async () => {
    const { userId, email } = await makeKeypair(database, secrets);
    await insertTestFolder(database.db, { ownerId: userId });
    const shown = {
      id: userId,
      email,
      role: 'user',
      is_active: true,
      policy: 'default',
      created_at: expect.any(String),
      folders: 1,
      used_bytes: 0,
      used_files: 0,
      keypairs: 1,
      tokens: 0,
    };
    for (const name of [userId, userId.replaceAll('-', ''), email.toUpperCase()]) {
      expect((await get(`/admin/users/${encodeURIComponent(name)}`)).json).toEqual(shown);
    }
  });

  it.each(['nobody@example.org', '018f0000-0000-7000-8000-000000000000', '%25'])(
    'answers 404 to %s',
    async (name) => {
      expect((await get(`/admin/users/${name}`)).status).toBe(404);
      expect((await patch(`/admin/users/${name}`, { state: 'inactive' })).status).toBe(404);
    },
  );
});

describe('PATCH /admin/users/:id', () => {
  it('stops keypairs, tokens and sessions of a user who is switched off, at once', async () => {
    const user = await makeKeypair(database, secrets);
    const made = await post('/tokens', { name: 'x' }, user);
    const bearer = { authorization: `Bearer ${made.json.token}` };
    const cookie = { cookie: await signIn(user) };
    const statuses = async () => {
      const answers = [basic(user), bearer, cookie].map((headers) => server.send({ path: '/me', headers }));
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    expect(await statuses()).toEqual([200, 200, 200]);
    const off = await patch(`/admin/users/${user.userId}`, { state: 'inactive' });
    expect(off.json).toMatchObject({ id: user.userId, is_active: false });
    expect(await statuses()).toEqual([401, 401, 401]);
    await patch(`/admin/users/${user.userId}`, { state: 'active' });
    expect(await statuses()).toEqual([200, 200, 401]);
  });

  it('makes and unmakes administrators, from the next request on', async () => {
    const user = await makeKeypair(database, secrets);
    const asAdmin = async () => (await server.send({ path: '/admin/users', headers: basic(user) })).status;
    expect(await asAdmin()).toBe(403);
    expect((await patch(`/admin/users/${user.email}`, { role: 'admin' })).json).toMatchObject({
      role: 'admin',
    });
    expect(await asAdmin()).toBe(200);
    await patch(`/admin/users/${user.email}`, { role: 'user' });
    expect(await asAdmin()).toBe(403);
  });

  it.each([{}, { state: 'gone' }, { role: 'root' }, { state: null }, { is_active: false }])(
    'refuses %j with 400',
    async (change) => {
      expect((await patch(`/admin/users/${admin.userId}`, change)).status).toBe(400);
    },
  );

  it('never takes the last administrator who can sign in, however many are taken at once', async () => {
    const others = await Promise.all(
      Array.from({ length: 3 }, () => makeKeypair(database, secrets, { role: 'admin' })),
    );
    const all = [admin, ...others];
    // Each takes itself away, so that nobody is refused for having been taken before.
    const answers = await Promise.all(
      all.map((self, at) =>
        patch(`/admin/users/${self.userId}`, at % 2 === 0 ? { role: 'user' } : { state: 'inactive' }, self),
      ),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 409]);
    const last = answers.find(({ status }) => status === 409);
    expect(last?.json).toMatchObject({ code: 'last_admin' });
    const [left] = await database.db.execute(
      `SELECT count(*)::int AS n FROM users WHERE role = 'admin' AND is_active`,
    );
    expect(left).toEqual({ n: 1 });
    await database.db.execute(
      `UPDATE users SET role = 'admin', is_active = true WHERE id = '${admin.userId}'`,
    );
  });
});
