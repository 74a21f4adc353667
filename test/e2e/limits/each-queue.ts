import { describe } from 'vitest';
import { isRedisAvailable } from '../../support/redis.ts';
import type { QueueBackend } from '../support/service.ts';

/** Runs a suite once per queue store; without redis-server in PATH the Redis half is skipped (in CI: it fails). */
export function describeEachQueue(title: string, suite: (backend: QueueBackend) => void): void {
  describe(`${title} (postgres)`, () => suite('postgres'));
  describe.skipIf(!isRedisAvailable())(`${title} (redis)`, () => suite('redis'));
}
