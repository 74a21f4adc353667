import { describe } from 'vitest';
import { isRedisAvailable } from '../../support/redis.ts';
import { describeContract } from './contract.ts';

describe.skipIf(!isRedisAvailable())('the HTTP contract with queues in Redis', () =>
  describeContract('redis'),
);
