import { redisProducerOptions } from './connections.ts';
import { loadIoredis } from './libraries.ts';

/** What Redis says of itself, as far as the queues depend on it. */
export interface RedisFacts {
  readonly version: string;
  /** What happens to keys when memory is full; only `noeviction` keeps them. */
  readonly memoryPolicy: string | undefined;
  /** Whether writes survive a restart. */
  readonly isAppendOnly: boolean | undefined;
}

/** Asks Redis once. @throws when it cannot be reached */
export async function readRedisFacts(redisUrl: string): Promise<RedisFacts> {
  const library = loadIoredis();
  const redis = new library.Redis(redisUrl, {
    ...redisProducerOptions,
    lazyConnect: true,
    retryStrategy: () => null,
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    const info = await redis.info();
    const fact = (name: string): string | undefined => new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1];
    const appendOnly = fact('aof_enabled');
    return {
      version: fact('redis_version') ?? 'unknown',
      memoryPolicy: fact('maxmemory_policy'),
      isAppendOnly: appendOnly === undefined ? undefined : appendOnly === '1',
    };
  } finally {
    redis.disconnect();
  }
}
