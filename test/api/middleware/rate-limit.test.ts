import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { policies } from '../../../db/schema/policies.ts';
import { rateCounts } from '../../../db/schema/rate-counts.ts';
import { openRateCounts } from '../../../jobs/rate-counts.ts';
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
import { defineTestRoute } from '../test-route.ts';

const secrets = makeSecretBox();
const silent = {
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  debug: () => undefined,
};
const routes = [
  defineTestRoute({
    method: 'POST',
    path: '/private',
    access: 'user',
    right: null,
    body: 'json',
    input: z.object({}),
    handle: async () => ({ status: 200 }),
  }),
  defineTestRoute({
    method: 'POST',
    path: '/operating',
    access: 'admin',
    right: null,
    body: 'json',
    input: z.object({}),
    handle: async () => ({ status: 200 }),
  }),
];
let database: TestDatabase;
let keypair: TestKeypair;

beforeAll(async () => {
  database = await createTestDatabase();
  keypair = await makeKeypair(database, secrets);
});
afterAll(() => database?.close());

describe('rate limits', () => {
  it('count per keypair, and failed proofs per address, and then answer 429 with Retry-After', async () => {
    const limited = await startCoreServer(database, { secrets, routes, requestsPerWindowMax: 3 });
    const other = await makeKeypair(database, secrets);
    const call = (headers: Record<string, string>) =>
      limited.send({ method: 'POST', path: '/private', headers });
    try {
      const remaining: unknown[] = [];
      for (let round = 0; round < 3; round += 1) {
        const { status, headers } = await call(basic(keypair));
        expect(status).toBe(200);
        remaining.push(headers['x-ratelimit-remaining']);
      }
      expect(remaining).toEqual(['2', '1', '0']);
      const refused = await call(basic(keypair));
      expect(refused.status).toBe(429);
      expect(refused.json.code).toBe('rate_limited');
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      expect(refused.headers['x-ratelimit-remaining']).toBe('0');

      const wrong = basic({ ...other, secretKey: 'wrong' });
      const statuses = [];
      for (let round = 0; round < 4; round += 1) statuses.push((await call(wrong)).status);
      expect(statuses).toEqual([401, 401, 401, 429]);
      // Others behind the same address who can prove who they are go on.
      expect((await call(basic(other))).status).toBe(200);
      expect((await limited.send({ path: '/nowhere' })).status).toBe(429);
    } finally {
      await limited.close();
    }
  });

  it('that a policy sets leave administrators enough to mend it, on their own routes alone', async () => {
    const admin = await makeKeypair(database, secrets, { role: 'admin' });
    const usual = await makeKeypair(database, secrets);
    const limited = await startCoreServer(database, { secrets, routes });
    const call = async (path: string, known: TestKeypair) =>
      await limited.send({ method: 'POST', path, headers: basic(known) });
    await database.db.update(policies).set({ requestsMax: 2 });
    try {
      for (const status of [200, 200, 429])
        expect((await call('/private', admin)).status, 'a route of everybody').toBe(status);
      const rest = [];
      for (let round = 0; round < 98; round += 1) rest.push((await call('/operating', admin)).status);
      expect(new Set(rest)).toEqual(new Set([200]));
      const refused = await call('/operating', admin);
      expect([refused.status, refused.headers['x-ratelimit-limit']]).toEqual([429, '100']);
      const statuses = [];
      for (let round = 0; round < 3; round += 1) statuses.push((await call('/operating', usual)).status);
      expect(statuses).toEqual([403, 403, 429]);
    } finally {
      await database.db.update(policies).set({ requestsMax: null });
      await limited.close();
    }
  });

  it('hold for all processes together, but for what comes in before they tell each other', async () => {
    const known = await makeKeypair(database, secrets);
    const shared = () => openRateCounts({ db: database.db, redisUrl: undefined, logger: silent });
    const options = { secrets, routes, requestsPerWindowMax: 10 };
    const first = await startCoreServer(database, { ...options, rateCounts: shared() });
    const second = await startCoreServer(database, { ...options, rateCounts: shared() });
    const call = (server: CoreServer) =>
      server.send({ method: 'POST', path: '/private', headers: basic(known) });
    try {
      for (let round = 0; round < 7; round += 1) expect((await call(first)).status).toBe(200);
      expect((await call(second)).headers['x-ratelimit-remaining']).toBe('9');
      await eventually(async () => {
        const [row] = await database.db
          .select()
          .from(rateCounts)
          .where(eq(rateCounts.key, `key:${known.accessKey}`));
        expect(row?.count).toBe(8);
      });
      // The eighth made the second process hear of the seven.
      await eventually(async () => expect((await call(second)).status).toBe(429));
      const [row] = await database.db
        .select()
        .from(rateCounts)
        .where(eq(rateCounts.key, `key:${known.accessKey}`));
      expect(row?.count).toBeLessThanOrEqual(10);
    } finally {
      await first.close();
      await second.close();
    }
  });

  it('are kept by each process for itself while the shared counts are away', async () => {
    const known = await makeKeypair(database, secrets);
    const away = { add: () => Promise.reject(new Error('away')), close: async () => undefined };
    const alone = await startCoreServer(database, {
      secrets,
      routes,
      requestsPerWindowMax: 2,
      rateCounts: away,
    });
    try {
      const statuses = [];
      for (let round = 0; round < 3; round += 1) {
        statuses.push((await alone.send({ method: 'POST', path: '/private', headers: basic(known) })).status);
      }
      expect(statuses).toEqual([200, 200, 429]);
    } finally {
      await alone.close();
    }
  });

  it('roll: half a window later half of a full one is free again, and not more', async () => {
    const known = await makeKeypair(database, secrets);
    let nowMs = 1_000 * 900_000 + 899_000;
    const rolling = await startCoreServer(database, {
      secrets,
      routes,
      requestsPerWindowMax: 10,
      now: () => nowMs,
    });
    const free = async () => {
      let count = 0;
      while ((await rolling.send({ method: 'POST', path: '/private', headers: basic(known) })).status === 200)
        count += 1;
      return count;
    };
    try {
      expect(await free()).toBe(10);
      nowMs += 1_001;
      expect(await free()).toBe(1);
      nowMs += 450_000;
      expect(await free()).toBe(5);
    } finally {
      await rolling.close();
    }
  });
});
