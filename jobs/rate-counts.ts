import type { Database } from '../db/client.ts';
import { addRateCounts, type RateAddition, type RateTotal } from '../db/queries/rate-counts.ts';
import { rateWindowSeconds } from '../domain/rate-window.ts';
import { openRedis } from './connections.ts';
import type { JobLogger } from './logger.ts';
import { throttledWarning } from './throttled-warning.ts';

/** Where all API processes add up what they count. It lives where the queues do: in Redis, else in the database. */
export interface SharedRateCounts {
  /** Adds, and answers the totals. @throws when the store is away; what was to be added may be added again then */
  add(additions: readonly RateAddition[]): Promise<readonly RateTotal[]>;
  close(): Promise<void>;
}

/** Counts are needed for the span after their own, too. */
const keptSeconds = 3 * rateWindowSeconds;

/** Opens the shared counts. Resolves while the store is away, too. */
export function openRateCounts(options: {
  readonly db: Database;
  readonly redisUrl: string | undefined;
  readonly logger: JobLogger;
}): SharedRateCounts {
  const { db, redisUrl, logger } = options;
  if (redisUrl === undefined) {
    return { add: (additions) => addRateCounts(db, additions), close: async () => undefined };
  }
  const redis = openRedis(redisUrl, {
    role: 'producer',
    onError: throttledWarning(logger, 'rate.redis-failed'),
  });
  const nameOf = (key: string, span: number) => `vfolder:rate:${span}:${key}`;
  const numberIn = (replies: readonly [error: Error | null, result: unknown][] | null, index: number) => {
    const [error, result] = replies?.[index] ?? [];
    if (error) throw error;
    return Number(result ?? 0);
  };
  return {
    add: async (additions) => {
      const pipeline = redis.pipeline();
      for (const { key, span, count } of additions) {
        pipeline
          .incrby(nameOf(key, span), count)
          .expire(nameOf(key, span), keptSeconds)
          .get(nameOf(key, span - 1));
      }
      const replies = await pipeline.exec();
      return additions.map(({ key, span }, index) => ({
        key,
        span,
        current: numberIn(replies, 3 * index),
        previous: numberIn(replies, 3 * index + 2),
      }));
    },
    close: async () => {
      redis.disconnect();
    },
  };
}
