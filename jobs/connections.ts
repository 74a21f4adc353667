import type { Redis, RedisOptions } from 'ioredis';
import type { Pool } from 'pg';
import { loadIoredis, loadPg } from './libraries.ts';

/** Schema of the queue tables when the queues live in Postgres. */
export const queueSchema = 'bullmq';

const reconnect = (times: number) => Math.min(200 * times, 2_000);

/**
 * For those who add jobs: a command fails at once while Redis is away, because the jobs table sends it again later.
 * The reconnect delay is capped, for the library's own grows to 20 s. Never add `commandTimeout`: it breaks blocking reads.
 */
export const redisProducerOptions = {
  maxRetriesPerRequest: 1,
  enableOfflineQueue: false,
  connectTimeout: 2_000,
  retryStrategy: reconnect,
} satisfies RedisOptions;

/** For those who take jobs: a command waits until Redis is back. */
export const redisConsumerOptions = {
  maxRetriesPerRequest: null,
  retryStrategy: reconnect,
} satisfies RedisOptions;

/** Longer than any statement of the queues takes; one that is not answered by then was sent on a connection that is gone unnoticed. */
const silenceMsMax = 30_000;
/** A connection on which nothing was heard for so long is asked whether it is there. */
const keepAliveMs = 10_000;

/** Opens one Redis connection, shared by all queues of a process. `onError` hears of every failed connect. */
export function openRedis(
  url: string,
  options: { readonly role: 'producer' | 'consumer'; readonly onError: (error: Error) => void },
): Redis {
  const library = loadIoredis();
  const redis = new library.Redis(
    url,
    options.role === 'producer' ? redisProducerOptions : redisConsumerOptions,
  );
  redis.on('error', options.onError);
  return redis;
}

/**
 * Opens the pool that all queue objects of a process share. A worker object keeps one connection for LISTEN, so
 * `connectionsMax` has to exceed their number. Commits of the queue are asynchronous: what a crash forgets, the jobs
 * table sends again. Sorting is discouraged because stale statistics make the claim sort the whole backlog; before
 * Postgres 18 a discouraged plan counts as so costly that each claim is compiled first (400 ms), hence no JIT. A statement that
 * is not answered fails, and its connection with it: else those that a network swallowed would hold the pool for hours.
 */
export function openQueuePool(
  databaseUrl: string,
  options: {
    readonly connectionsMax: number;
    readonly onError: (error: Error) => void;
    /** Default: 30 s. */
    readonly silenceMsMax?: number;
  },
): Pool {
  const pg = loadPg();
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: options.connectionsMax,
    options: `-c search_path=${queueSchema} -c enable_sort=off -c jit=off -c synchronous_commit=off`,
    application_name: 'vfolder-queue',
    connectionTimeoutMillis: 10_000,
    query_timeout: options.silenceMsMax ?? silenceMsMax,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveMs,
  });
  // Every queue object adds listeners of its own.
  pool.setMaxListeners(0);
  pool.on('error', options.onError);
  // The pool listens to a connection only while nobody has it. One that is cut between two statements of whoever has it would
  // end the process; that it is gone shows at the next statement.
  pool.on('connect', (client) => client.on('error', options.onError));
  return pool;
}
