import { afterAll, beforeAll, describe } from 'vitest';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { isRedisAvailable, startRedis, type TestRedis } from './redis.ts';

/** Names of the queue stores the service runs on. */
export type BackendName = 'postgres' | 'redis';

/** What a suite gets for its queue store; usable inside hooks and tests, not while tests are collected. */
export interface Backend {
  readonly name: BackendName;
  readonly database: TestDatabase;
  /** To pass on as `redisUrl`: `undefined` on Postgres. */
  readonly redisUrl: string | undefined;
  /** The server behind `redisUrl`; throws on Postgres. */
  redis(): TestRedis;
}

/**
 * Runs one suite on each queue store, with a database of its own and, for Redis, a server of its own. Without
 * redis-server in PATH the Redis half is reported as skipped (in CI: it fails).
 *
 *     describeEachBackend('dispatching', (backend) => {
 *       it('…', async () => { await openJobClient({ db: backend.database.db, redisUrl: backend.redisUrl, … }); });
 *     });
 */
export function describeEachBackend(title: string, suite: (backend: Backend) => void): void {
  describe(`${title} (postgres)`, () => suite(useBackend('postgres')));
  describe.skipIf(!isRedisAvailable())(`${title} (redis)`, () => suite(useBackend('redis')));
}

function useBackend(name: BackendName): Backend {
  let database: TestDatabase | undefined;
  let redis: TestRedis | undefined;
  beforeAll(async () => {
    database = await createTestDatabase();
    if (name === 'redis') redis = await startRedis();
  });
  afterAll(async () => {
    await database?.close();
    await redis?.stop();
  });
  return {
    name,
    get database() {
      return present(database);
    },
    get redisUrl() {
      return redis?.url;
    },
    redis: () => present(redis),
  };
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('The backend exists only inside hooks and tests.');
  return value;
}
