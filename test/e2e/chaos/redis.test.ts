import { describe } from 'vitest';
import { isRedisAvailable } from '../../support/redis.ts';
import { describeChaos } from './chaos-suite.ts';

describe.skipIf(!isRedisAvailable())('with a Redis server', () => {
  describeChaos('redis');
});
