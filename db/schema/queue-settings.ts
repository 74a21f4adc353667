import { sql } from 'drizzle-orm';
import { boolean, check, integer, pgTable, text, timestamp } from 'drizzle-orm/pg-core';

/**
 * What operators set for a queue (`<kind of work>.<volume>`) at run time; no row is the usual: running, and as many jobs
 * at a time as its workers take. The truth is here, because the store of the queues may be emptied.
 */
export const queueSettings = pgTable(
  'queue_settings',
  {
    queue: text('queue').primaryKey(),
    isPaused: boolean('is_paused').notNull().default(false),
    /** Jobs of this queue that run at a time over all workers; `null` for no such limit. */
    concurrencyMax: integer('concurrency_max'),
    changedAt: timestamp('changed_at', { withTimezone: true }).notNull().defaultNow(),
  },
  () => [check('queue_settings_concurrency_check', sql`concurrency_max >= 1`)],
);
