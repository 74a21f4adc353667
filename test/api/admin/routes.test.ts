import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import {
  basic,
  type CoreServer,
  makeKeypair,
  makeSecretBox,
  startCoreServer,
  type TestKeypair,
} from '../core-server.ts';

const secrets = makeSecretBox();
let database: TestDatabase;
let server: CoreServer;
let admin: TestKeypair;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startCoreServer(database, { secrets });
  admin = await makeKeypair(database, secrets, { role: 'admin' });
});
afterAll(async () => {
  await server?.close();
  await database?.close();
});

function post(path: string, body: unknown, keypair: TestKeypair = admin) {
  return server.send({ method: 'POST', path, headers: basic(keypair), body: JSON.stringify(body) });
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
});
