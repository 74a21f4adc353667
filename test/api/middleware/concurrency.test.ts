import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Route } from '../../../api/route.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';
import { basic, type CoreServer, makeKeypair, makeSecretBox, startCoreServer } from '../core-server.ts';
import { defineTestRoute } from '../test-route.ts';

const secrets = makeSecretBox();
const held: (() => void)[] = [];
const common = { method: 'GET', access: 'user', right: null, body: 'json', input: z.object({}) } as const;
const hold = () => new Promise<{ status: number }>((resolve) => held.push(() => resolve({ status: 200 })));
const routes: readonly Route[] = [
  defineTestRoute({ ...common, path: '/hold', handle: hold }),
  defineTestRoute({ ...common, path: '/transfer', isTransfer: true, handle: hold }),
  defineTestRoute({ ...common, path: '/quick', handle: async () => ({ status: 200 }) }),
  defineTestRoute({ ...common, path: '/by-token', access: 'public', isTransfer: true, handle: hold }),
  defineTestRoute({ ...common, path: '/open', access: 'public', handle: async () => ({ status: 200 }) }),
];
let database: TestDatabase;
let server: CoreServer;

beforeAll(async () => {
  database = await createTestDatabase();
  server = await startCoreServer(database, {
    secrets,
    routes,
    concurrency: { requestsMax: 3, transfersMax: 2 },
    trustedProxies: ['127.0.0.1'],
  });
});
afterAll(async () => {
  for (const release of held) release();
  await server?.close();
  await database?.close();
});

describe('the places of a keypair', () => {
  it('run out at the limits, for that keypair alone, and come back when a request ends', async () => {
    const headers = basic(await makeKeypair(database, secrets));
    const other = basic(await makeKeypair(database, secrets));
    const running = [1, 2].map(() => server.send({ path: '/transfer', headers }));
    await eventually(() => expect(held).toHaveLength(2));
    const refused = await server.send({ path: '/transfer', headers });
    expect(refused.status).toBe(429);
    expect(refused.json).toMatchObject({ code: 'requests_busy', limit: 2 });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    // Other requests have places left, though not many.
    expect((await server.send({ path: '/quick', headers })).status).toBe(200);
    running.push(server.send({ path: '/hold', headers }));
    await eventually(() => expect(held).toHaveLength(3));
    const full = await server.send({ path: '/quick', headers });
    expect([full.status, full.json.limit]).toEqual([429, 3]);
    expect((await server.send({ path: '/quick', headers: other })).status).toBe(200);
    for (const release of held.splice(0)) release();
    for (const answer of await Promise.all(running)) expect(answer.status).toBe(200);
    expect((await server.send({ path: '/quick', headers })).status).toBe(200);
  });

  it('come back when the client leaves', async () => {
    const headers = basic(await makeKeypair(database, secrets));
    const leaving = new AbortController();
    const calls = [1, 2, 3].map(() =>
      fetch(`http://${server.host}/hold`, { headers, signal: leaving.signal }).catch(() => undefined),
    );
    await eventually(() => expect(held).toHaveLength(3));
    leaving.abort();
    await Promise.all(calls);
    // What a request of a client that left still does counts until it is done.
    for (const release of held.splice(0)) release();
    await eventually(async () => expect((await server.send({ path: '/quick', headers })).status).toBe(200));
  });
});

describe('the places of an address', () => {
  it('run out for whoever needs no keypair, for that address alone, and come back', async () => {
    const from = (address: string, path: string) =>
      server.send({ path, headers: { 'x-forwarded-for': address } });
    const running = [1, 2].map(() => from('192.0.2.1', '/by-token'));
    await eventually(() => expect(held).toHaveLength(2));
    const refused = await from('192.0.2.1', '/by-token');
    expect([refused.status, refused.json.code, refused.json.limit]).toEqual([429, 'requests_busy', 2]);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await from('192.0.2.1', '/open')).status).toBe(200);
    running.push(from('192.0.2.2', '/by-token'));
    await eventually(() => expect(held).toHaveLength(3));
    const headers = { ...basic(await makeKeypair(database, secrets)), 'x-forwarded-for': '192.0.2.1' };
    const signed = { ...headers, 'x-forwarded-proto': 'https' };
    expect((await server.send({ path: '/quick', headers: signed })).status).toBe(200);
    for (const release of held.splice(0)) release();
    for (const answer of await Promise.all(running)) expect(answer.status).toBe(200);
    const again = from('192.0.2.1', '/by-token');
    await eventually(() => expect(held).toHaveLength(1));
    for (const release of held.splice(0)) release();
    expect((await again).status).toBe(200);
  });
});
