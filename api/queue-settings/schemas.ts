import { z } from 'zod';
import { queueNames } from '../../jobs/contracts.ts';
import { queryBoolean, queryInteger } from '../http/schema.ts';
import { count } from '../http/wire.ts';

/** Highest limit that can be set. */
export const concurrencyMax = 10_000;

/** `PATCH /admin/queue-settings/:queue`: what is left out stays; `concurrency: null` lifts the limit. */
export const queueSettingsInput = z
  .object({
    is_paused: queryBoolean.optional(),
    concurrency: queryInteger({ min: 1, max: concurrencyMax }).nullable().optional(),
  })
  .refine(
    ({ is_paused, concurrency }) => is_paused !== undefined || concurrency !== undefined,
    'Give is_paused, concurrency or both.',
  );

/** A queue with what is set for it and how it stands; `oldest_waiting_seconds` is `null` when nothing waits. */
export const queueBody = z
  .object({
    queue: z.string(),
    work: z.enum(queueNames),
    volume: z.string(),
    is_paused: z.boolean(),
    concurrency: count.nullable(),
    counts: z.object({ waiting: count, delayed: count, active: count, completed: count, failed: count }),
    oldest_waiting_seconds: z.number().nullable(),
    workers: count,
  })
  .meta({ id: 'Queue' });

/** Reply of `GET /admin/queue-settings`. */
export const queueListBody = z.object({ items: z.array(queueBody) });

/** How many jobs got another go, and how many of them cannot. */
export const retriedBody = z.object({ retried: count, skipped: count });
