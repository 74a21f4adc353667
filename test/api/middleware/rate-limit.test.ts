import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineRoute } from '../../../api/route.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { basic, makeKeypair, makeSecretBox, startCoreServer, type TestKeypair } from '../core-server.ts';

const secrets = makeSecretBox();
const routes = [
  defineRoute({
    method: 'POST',
    path: '/private',
    access: 'user',
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
});
