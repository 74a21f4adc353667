import { describe } from 'vitest';
import { describeContract } from './contract.ts';

describe('the HTTP contract with queues in Postgres', () => describeContract('postgres'));
