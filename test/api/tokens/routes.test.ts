import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apiTokens } from '../../../db/schema/api-tokens.ts';
import { users } from '../../../db/schema/users.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';
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
let keypair: TestKeypair;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startCoreServer(database, { secrets, trustedProxies: ['127.0.0.1'] });
  keypair = await makeKeypair(database, secrets);
});
afterAll(async () => {
  await server?.close();
  await database?.close();
});

async function issue(body: Record<string, unknown> = {}, by: TestKeypair = keypair) {
  const headers = { ...basic(by), 'content-type': 'application/json' };
  const answer = await server.send({ method: 'POST', path: '/tokens', headers, body: JSON.stringify(body) });
  return { ...answer, id: String(answer.json.id), token: String(answer.json.token) };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const list = (headers: Record<string, string>) => server.send({ path: '/folders', headers });
const change = (headers: Record<string, string>) =>
  server.send({ method: 'POST', path: '/folders/invitations/accept', headers, body: '{"inv_id":"x"}' });

describe('an API token', () => {
  it('that may only read may ask by POST as well', async () => {
    const { token } = await issue({ scopes: ['read'] });
    const ask = (path: string, body: string) =>
      server.send({ method: 'POST', path, headers: bearer(token), body });
    expect((await ask('/auth', '{"echo":"hello"}')).json).toEqual({ authorized: 'yes', echo: 'hello' });
    expect((await ask('/auth', JSON.stringify({ echo: 'x'.repeat(1_001) }))).status).toBe(400);
    const query = '{ vfolder_list(limit: 1, offset: 0) { total_count } }';
    expect((await ask('/admin/gql', JSON.stringify({ query }))).status).toBe(200);
  });

  it('is shown once, and kept as its hash only', async () => {
    const issued = await issue({ name: 'laptop', scopes: ['read'], expires_in: 3_600 });
    expect(issued.status).toBe(201);
    expect(issued.token).toMatch(/^vf_pat_[\w-]{49}$/);
    expect(issued.json).toMatchObject({ name: 'laptop', scopes: ['read'], last_used_at: null });
    const listed = await server.send({ path: '/tokens', headers: basic(keypair) });
    expect(listed.text).not.toContain(issued.token);
    expect(listed.json.items).toContainEqual(expect.objectContaining({ id: issued.id, name: 'laptop' }));
    const rows = await database.db.execute(sql`SELECT * FROM api_tokens`);
    expect(JSON.stringify(rows)).not.toContain(issued.token.slice(7, 30));
  });

  it('signs its user in, as a bearer and as the password of Basic, and is noted as used', async () => {
    const { id, token } = await issue();
    expect((await list(bearer(token))).status).toBe(200);
    const asPassword = Buffer.from(`anybody:${token}`).toString('base64');
    expect((await list({ authorization: `Basic ${asPassword}` })).status).toBe(200);
    await eventually(async () => {
      const [row] = await database.db.select().from(apiTokens).where(eq(apiTokens.id, id));
      expect(row?.lastUsedAt).not.toBeNull();
    });
  });

  it('reads and writes by default, and only reads when that is its scope', async () => {
    const both = await issue();
    const reader = await issue({ scopes: ['read'] });
    expect((await change(bearer(both.token))).status).toBe(404);
    const refused = await change(bearer(reader.token));
    expect([refused.status, refused.json.code]).toEqual([403, 'scope_missing']);
    expect((await list(bearer(reader.token))).status).toBe(200);
    const disguised = { ...bearer(reader.token), 'x-method-override': 'DELETE' };
    expect((await change(disguised)).status).not.toBe(200);
    expect((await issue({ scopes: ['write'] })).json.scopes).toEqual(['read', 'write']);
  });

  it('makes, lists and revokes no tokens, and is no administrator', async () => {
    const admin = await makeKeypair(database, secrets, { role: 'admin' });
    const { id, token } = await issue({}, admin);
    const calls: [string, string][] = [
      ['POST', '/tokens'],
      ['GET', '/tokens'],
      ['DELETE', `/tokens/${id}`],
    ];
    for (const [method, path] of calls) {
      const answer = await server.send({ method, path, headers: bearer(token) });
      expect([answer.status, answer.json.code]).toEqual([403, 'scope_missing']);
    }
    const users = await server.send({ path: '/admin/users', headers: bearer(token) });
    expect([users.status, users.json.code]).toEqual([403, 'admin_required']);
    expect((await server.send({ path: '/admin/users', headers: basic(admin) })).status).toBe(200);
  });

  it('ends when it is revoked, when it expires and when its user is switched off', async () => {
    const other = await makeKeypair(database, secrets);
    const revoked = await issue();
    const revoke = (by: TestKeypair) =>
      server.send({ method: 'DELETE', path: `/tokens/${revoked.id}`, headers: basic(by) });
    expect((await revoke(other)).status).toBe(404);
    expect((await list(bearer(revoked.token))).status).toBe(200);
    expect((await revoke(keypair)).status).toBe(204);
    expect((await revoke(keypair)).status).toBe(404);
    const expired = await issue();
    await database.db.update(apiTokens).set({ expiresAt: sql`now()` }).where(eq(apiTokens.id, expired.id));
    const orphaned = await issue({}, other);
    await database.db.update(users).set({ isActive: false }).where(eq(users.id, other.userId));
    for (const { token } of [revoked, expired, orphaned]) {
      const answer = await list(bearer(token));
      expect([answer.status, answer.json.code]).toEqual([401, 'auth_failed']);
      expect(answer.headers['www-authenticate']).toMatch(/^BackendAI .*, Bearer realm="vfolder"$/);
      expect(answer.headers['www-authenticate']).not.toContain('Basic');
    }
  });

  it('is refused when it is none', async () => {
    const { token } = await issue();
    const flipped = `${token.slice(0, 20)}${token[20] === 'A' ? 'B' : 'A'}${token.slice(21)}`;
    for (const wrong of [
      flipped,
      `${token}x`,
      token.slice(0, -1),
      token.toUpperCase(),
      '',
      'vf_pat_',
      'x y',
    ]) {
      expect((await list(bearer(wrong))).status, wrong).toBe(401);
    }
  });

  it('is refused over a connection that others can read', async () => {
    const { token } = await issue();
    const far = { ...bearer(token), 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'http' };
    expect((await list(far)).json.code).toBe('auth_invalid');
    expect((await list({ ...far, 'x-forwarded-proto': 'https' })).status).toBe(200);
  });

  it('is made within bounds', async () => {
    for (const body of [
      { scopes: [] },
      { scopes: ['admin'] },
      { expires_in: 0 },
      { expires_in: 10 ** 9 },
      { name: 'x'.repeat(101) },
      { name: '\0' },
    ]) {
      expect((await issue(body)).status, JSON.stringify(body)).toBe(400);
    }
    const yearSeconds = 31_536_000;
    for (const expiresIn of [59, yearSeconds + 1, 60.5, -60, 1e308, '1e3', '', null, [60]]) {
      const refused = await issue({ expires_in: expiresIn });
      expect([expiresIn, refused.status, refused.json.code]).toEqual([expiresIn, 400, 'request_malformed']);
      expect(refused.json.errors).toContainEqual(expect.objectContaining({ pointer: '/expires_in' }));
    }
    for (const expiresIn of [60, yearSeconds]) {
      const { json } = await issue({ expires_in: expiresIn });
      expect(Date.parse(String(json.expires_at)) - Date.parse(String(json.created_at))).toBe(
        expiresIn * 1_000,
      );
    }
    const many = await makeKeypair(database, secrets);
    const answers = await Promise.all(Array.from({ length: 105 }, () => issue({}, many)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(100);
    expect(answers.find(({ status }) => status !== 201)).toMatchObject({
      status: 409,
      json: { code: 'token_limit_reached' },
    });
  });
});
