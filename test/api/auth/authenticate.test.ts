import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { SecretBox } from '../../../db/secret-box.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import {
  basic,
  type Call,
  type CoreServer,
  makeKeypair,
  makeSecretBox,
  signed,
  startCoreServer,
  type TestKeypair,
} from '../core-server.ts';
import { defineTestRoute } from '../test-route.ts';

const box = makeSecretBox();
let opens = 0;
/** The real box, counting: opening a secret and hashing with it is the work that a proof costs. */
const secrets: SecretBox = {
  seal: box.seal,
  open: (sealed) => {
    opens += 1;
    return box.open(sealed);
  },
};

const input = z.object({ path: z.string().optional() });
const whoAmI = defineTestRoute({
  method: 'GET',
  path: '/who/:name',
  access: 'user',
  right: null,
  body: 'json',
  input,
  handle: async ({ principal, input: given }) => ({ status: 200, body: { ...principal, ...given } }),
});
const routes = [whoAmI, { ...whoAmI, method: 'POST' as const }, { ...whoAmI, method: 'DELETE' as const }];
const streamed = { ...whoAmI, method: 'PUT' as const, body: 'stream' as const };

const instant = Date.UTC(2026, 10, 23, 13, 0, 0);
const path = '/who/My%20Data?path=a%2Bb';

let database: TestDatabase;
let server: CoreServer;
let keypair: TestKeypair;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startCoreServer(database, { secrets, routes: [...routes, streamed], now: () => instant });
  keypair = await makeKeypair(database, secrets);
});
afterAll(async () => {
  await server?.close();
  await database?.close();
});

function sendSigned(changes: Parameters<typeof signed>[3] = {}, call: Call = { path }, by = keypair) {
  const headers = signed(server, by, call, { date: new Date(instant).toISOString(), ...changes });
  return server.send({ ...call, headers: { ...headers, ...call.headers } });
}

describe('a signed request', () => {
  it('acts for the user of the keypair', async () => {
    const { status, json } = await sendSigned();
    expect(status).toBe(200);
    expect(json).toEqual({
      userId: keypair.userId,
      email: keypair.email,
      role: 'user',
      accessKey: keypair.accessKey,
      requestsMax: null,
      path: 'a+b',
    });
  });

  it.each(['BackendAI', 'backendai', 'Sorna'])('may use the scheme %s', async (scheme) => {
    const headers = signed(server, keypair, { path }, { date: new Date(instant).toISOString() });
    const authorization = headers.authorization?.replace('BackendAI', scheme) ?? '';
    expect((await server.send({ path, headers: { ...headers, authorization } })).status).toBe(200);
  });

  it('may use the version header of old clients, which is then the signed one', async () => {
    const changes = { versionHeader: 'x-sorna-version', version: 'v4.20190615' };
    expect((await sendSigned(changes)).status).toBe(200);
  });

  it('may leave out the content type, which then counts as application/octet-stream', async () => {
    const date = new Date(instant).toISOString();
    const headers = signed(server, keypair, { path }, { date, contentType: 'application/octet-stream' });
    delete headers['content-type'];
    expect((await server.send({ path, headers })).status).toBe(200);
  });

  it.each([
    'Mon, 23 Nov 2026 13:00:00 GMT',
    'Monday, 23-Nov-26 13:00:00 GMT',
    'Mon Nov 23 13:00:00 2026',
    '2026-11-23T13:00:00.031961+00:00',
    '2026-11-23T13:00:00',
  ])('may be dated %s', async (date) => {
    expect((await sendSigned({ date, dayKey: '20261123' })).status).toBe(200);
  });

  it('is keyed by the day in the offset of its date', async () => {
    const date = '2026-11-24T01:30:00+12:30';
    expect((await sendSigned({ date, dayKey: '20261124' })).status).toBe(200);
    expect((await sendSigned({ date, dayKey: '20261123' })).status).toBe(401);
  });

  it.each(['x-backendai-date', 'x-sorna-date'])(
    'may carry its date as %s when it has no Date',
    async (name) => {
      const { date = '', ...headers } = signed(
        server,
        keypair,
        { path },
        { date: new Date(instant).toISOString() },
      );
      expect((await server.send({ path, headers: { ...headers, [name]: date } })).status).toBe(200);
      const both = { ...headers, date: 'Mon, 23 Nov 2026 13:00:00 GMT', [name]: date };
      expect((await server.send({ path, headers: both })).status).toBe(401);
    },
  );

  it.each([
    [-15 * 60_000 + 1, 200],
    [15 * 60_000 - 1, 200],
    [-15 * 60_000, 400],
    [15 * 60_000, 400],
  ])('is %i ms away from the clock: %i', async (skewMs, status) => {
    const answer = await sendSigned({ date: new Date(instant + skewMs).toISOString() });
    expect(answer.status).toBe(status);
    if (status === 400) expect(answer.json.code).toBe('auth_invalid');
  });

  it('is refused with the same 401 whichever signed part was changed after signing', async () => {
    const sound = signed(server, keypair, { path }, { date: new Date(instant).toISOString() });
    const flipped = sound.authorization?.replace(/.$/, (last) => (last === '0' ? '1' : '0')) ?? '';
    const variants: readonly Call[] = [
      { path, method: 'POST' },
      { path, method: 'POST', headers: { 'x-method-override': 'DELETE' } },
      { path: '/who/My%20Data?path=a%2Bc' },
      { path: '/who/My%20data?path=a%2Bb' },
      { path: '/who/%4dy%20Data?path=a%2Bb' },
      { path, headers: { host: `localhost:${server.port}` } },
      { path, headers: { date: new Date(instant + 1_000).toISOString() } },
      { path, headers: { 'content-type': 'text/plain' } },
      { path, headers: { 'x-backendai-version': 'v4.20190616' } },
      { path, headers: { authorization: flipped } },
      { path, headers: { authorization: sound.authorization?.slice(0, -1) ?? '' } },
      { path, headers: { authorization: sound.authorization?.replace(/:.*/, ':') ?? '' } },
    ];
    for (const call of variants) {
      const { status, json } = await server.send({ ...call, headers: { ...sound, ...call.headers } });
      expect(status, JSON.stringify(call)).toBe(401);
      expect(json.code).toBe('auth_failed');
    }
    expect((await server.send({ path, headers: sound })).status).toBe(200);
  });

  it('covers the method that X-Method-Override means', async () => {
    const date = new Date(instant).toISOString();
    const headers = {
      ...signed(server, keypair, { path, method: 'DELETE' }, { date }),
      'x-method-override': 'DELETE',
    };
    expect((await server.send({ path, method: 'POST', headers })).status).toBe(200);
  });

  it.each(['v2.20170315', ''])('of version %j covers the body', async (version) => {
    const body = '{"path": "."}';
    const bodyHash = createHash('sha256').update(body).digest('hex');
    const call = { path: '/who/x', body };
    expect((await sendSigned({ version, bodyHash }, call)).json.path).toBe('.');
    expect((await sendSigned({ version, bodyHash }, { ...call, body: '{"path": "/"}' })).status).toBe(401);
    expect((await sendSigned({ version }, call)).status).toBe(401);
  });

  it('that covers a body which is streamed is refused before any of it is read', async () => {
    const call = { path: '/who/x', method: 'PUT', body: 'content' };
    const { status, json } = await sendSigned({ version: 'v2.20170315' }, call);
    expect(status).toBe(400);
    expect(json.code).toBe('auth_invalid');
    expect((await sendSigned({}, call)).status).toBe(200);
    const multipart = { version: 'v2.20170315', contentType: 'multipart/form-data' };
    expect((await sendSigned(multipart, call)).status).toBe(200);
  });

  it.each([
    'BackendAI',
    'BackendAI x',
    'BackendAI signMethod=HMAC-SHA256',
    'BackendAI signMethod=HMAC-SHA256, credential=',
    'BackendAI signMethod=HMAC-SHA256, credential=:00',
    'BackendAI signMethod=HMAC-SHA256, credential=AK',
    'BackendAI signMethod=HMAC-SHA1, credential=AK:00',
    'BackendAI signMethod=HMAC-SHA512, credential=AK:00',
    'BackendAI credential=AK:00',
    'BackendAI signMethod=HMAC-SHA256, signMethod=HMAC-SHA256, credential=AK:00',
  ])('with %j is refused with 400 or 401, never a fault', async (authorization) => {
    const { status, json } = await server.send({ path, headers: { authorization } });
    expect(json.code).toBe(authorization === 'BackendAI' ? 'auth_required' : 'auth_invalid');
    expect(status).toBe(authorization === 'BackendAI' ? 401 : 400);
  });

  it.each([{}, { date: 'yesterday' }, { date: '' }])('with the date %j is refused with 400', async (date) => {
    const { date: _date, ...headers } = signed(server, keypair, { path });
    const { status, json } = await server.send({ path, headers: { ...headers, ...date } });
    expect(status).toBe(400);
    expect(json.code).toBe('auth_invalid');
  });
});

describe('Basic credentials', () => {
  it('act for the user of the keypair', async () => {
    const { status, json } = await server.send({ path, headers: basic(keypair) });
    expect(status).toBe(200);
    expect(json.userId).toBe(keypair.userId);
  });

  it.each(['Basic', 'Basic !', 'Basic YWJj', 'Basic OmFiYw==', 'Basic a b'])(
    '%j are refused',
    async (authorization) => {
      const { status } = await server.send({ path, headers: { authorization } });
      expect([400, 401]).toContain(status);
    },
  );

  it('are refused unread over plain HTTP from another host, unless allowed', async () => {
    const proxy = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'http' };
    const strict = await startCoreServer(database, { secrets, routes, trustedProxies: ['127.0.0.1'] });
    const lax = await startCoreServer(database, {
      secrets,
      routes,
      trustedProxies: ['127.0.0.1'],
      allowPlainSecrets: true,
    });
    try {
      const refused = await strict.send({ path, headers: { ...basic(keypair), ...proxy } });
      expect(refused.status).toBe(400);
      expect(refused.json.code).toBe('auth_invalid');
      const https = { ...proxy, 'x-forwarded-proto': 'https' };
      expect((await strict.send({ path, headers: { ...basic(keypair), ...https } })).status).toBe(200);
      expect((await lax.send({ path, headers: { ...basic(keypair), ...proxy } })).status).toBe(200);
    } finally {
      await strict.close();
      await lax.close();
    }
  });
});

describe('whoever cannot prove who they are', () => {
  // Only published clients, which send a version, are also told the detail as `msg`.
  const bodyOf = (json: Readonly<Record<string, unknown>>) => ({ ...json, request_id: '', msg: json.detail });

  it('gets the same 401 for an unknown key, a wrong proof, an inactive keypair and an inactive user', async () => {
    const retired = await makeKeypair(database, secrets, { isActive: false });
    const revoked = await makeKeypair(database, secrets);
    await database.db.execute(
      `UPDATE keypairs SET is_active = false WHERE access_key = '${revoked.accessKey}'`,
    );
    const unknown = { ...keypair, accessKey: 'AKNOBODY' };
    const wrong = { ...keypair, secretKey: randomBytes(30).toString('base64url') };
    const answers = [];
    for (const by of [unknown, wrong, retired, revoked]) {
      answers.push(await sendSigned({}, { path }, by), await server.send({ path, headers: basic(by) }));
    }
    for (const { status, json, headers } of answers) {
      expect(status).toBe(401);
      expect(headers['www-authenticate']).toMatch(/^BackendAI /);
      expect(bodyOf(json)).toEqual(bodyOf(answers[0]?.json ?? {}));
    }
  });

  it('costs the work of one secret whether the key is known or not', async () => {
    const costs: number[] = [];
    const wrong = { ...keypair, secretKey: 'wrong' };
    for (const by of [
      keypair,
      wrong,
      { ...keypair, accessKey: 'AKNOBODY' },
      { ...keypair, accessKey: 'no key' },
    ]) {
      for (const headers of [
        basic(by),
        signed(server, by, { path }, { date: new Date(instant).toISOString() }),
      ]) {
        const before = opens;
        await server.send({ path, headers });
        costs.push(opens - before);
      }
    }
    expect(costs).toEqual(costs.map(() => 1));
  });

  it('does not get in as the decoy that stands for an unknown key', async () => {
    const sealed: string[] = [];
    const spying: SecretBox = {
      seal: (plain) => {
        sealed.push(plain);
        return box.seal(plain);
      },
      open: box.open,
    };
    const spied = await startCoreServer(database, { secrets: spying, routes, now: () => instant });
    try {
      const [decoy = ''] = sealed;
      expect(decoy).not.toBe('');
      const by = { accessKey: 'AKNOBODY', secretKey: decoy };
      expect((await spied.send({ path, headers: basic(by) })).status).toBe(401);
      const headers = signed(spied, by, { path }, { date: new Date(instant).toISOString() });
      expect((await spied.send({ path, headers })).status).toBe(401);
    } finally {
      await spied.close();
    }
  });

  it.each([undefined, 'Digest a=b', 'garbage', ''])(
    'gets 401 with a challenge for %j',
    async (authorization) => {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      const answer = await server.send({ path, headers });
      expect(answer.status).toBe(401);
      expect(answer.json.code).toBe('auth_required');
      expect(answer.headers['www-authenticate']).toMatch(/^BackendAI /);
      expect(answer.headers['www-authenticate']).not.toMatch(/basic/i);
    },
  );

  it('loses access with the next request after the keypair is switched off', async () => {
    const leaving = await makeKeypair(database, secrets);
    expect((await server.send({ path, headers: basic(leaving) })).status).toBe(200);
    await database.db.execute(`UPDATE users SET is_active = false WHERE id = '${leaving.userId}'`);
    expect((await server.send({ path, headers: basic(leaving) })).status).toBe(401);
  });
});
