import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { hashSessionToken } from '../../../api/auth/session.ts';
import { deleteSession, insertSession } from '../../../db/queries/sessions.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { gate } from '../../support/gate.ts';
import {
  basic,
  type CoreServer,
  makeKeypair,
  makeSecretBox,
  signed,
  startCoreServer,
  type TestKeypair,
} from '../core-server.ts';
import { defineTestRoute } from '../test-route.ts';

const common = { access: 'user', right: null, body: 'json', input: z.object({}) } as const;
const plain = defineTestRoute({
  ...common,
  method: 'GET',
  path: '/plain',
  handle: async () => ({ status: 200, body: {} }),
});
const waited = gate();
/** Ends when whom it answers is gone. */
const waiting = defineTestRoute({
  ...common,
  method: 'GET',
  path: '/waiting',
  handle: async ({ signal }) => {
    waited.open();
    await once(signal, 'abort');
    signal.throwIfAborted();
    return { status: 200, body: {} };
  },
});
const routes = [
  plain,
  { ...plain, method: 'POST' as const },
  { ...plain, method: 'DELETE' as const },
  waiting,
];
const path = '/plain';

let database: TestDatabase;
let server: CoreServer;
let keypair: TestKeypair;

beforeAll(async () => {
  const secrets = makeSecretBox();
  database = await createTestDatabase();
  server = await startCoreServer(database, { secrets, routes });
  keypair = await makeKeypair(database, secrets);
});
afterAll(async () => {
  await server?.close();
  await database?.close();
});

it('what a session asked for and waits for ends when it is signed out, as if it had been before', async () => {
  const token = randomBytes(32).toString('base64url');
  const tokenHash = hashSessionToken(token);
  await insertSession(database.db, { tokenHash, accessKey: keypair.accessKey, hours: 1 });
  const headers = { cookie: `vfolder_session=${token}` };
  expect((await server.send({ path, headers })).status).toBe(200);
  const answer = server.send({ path: '/waiting', headers });
  await waited.opened;
  await deleteSession(database.db, tokenHash);
  const { status, json } = await answer;
  expect([status, json.code]).toEqual([401, 'auth_required']);
});

it('a signed request may come from a page of another site, for no browser makes one by itself', async () => {
  const call = { method: 'POST', path };
  const headers = { ...signed(server, keypair, call), origin: 'https://elsewhere.example' };
  expect((await server.send({ ...call, headers })).status).toBe(200);
});

describe('Basic credentials', () => {
  it.each([
    [{ origin: 'https://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site', origin: 'https://other.example' }, 403],
    [{ 'sec-fetch-site': 'same-origin', origin: 'https://behind-a-proxy.example' }, 200],
    [{ 'sec-fetch-site': 'none' }, 200],
    [{}, 200],
  ])('that a browser may have added by itself change something from %j: %i', async (marks, status) => {
    const headers = { ...basic(keypair), ...marks };
    for (const method of ['POST', 'DELETE']) {
      const answer = await server.send({ method, path, headers });
      expect([answer.status, answer.json.code]).toEqual([
        status,
        status === 403 ? 'origin_refused' : undefined,
      ]);
    }
    expect((await server.send({ path, headers })).status).toBe(200);
  });

  it('change something from a page of this service', async () => {
    const headers = { ...basic(keypair), origin: `http://${server.host}` };
    expect((await server.send({ method: 'POST', path, headers })).status).toBe(200);
  });
});
