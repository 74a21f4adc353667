import { sql } from 'drizzle-orm';
import { boolean, check, index, integer, jsonb, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';

/**
 * The worker processes that are up, one row each: written by the process itself every few seconds, removed when it ends in
 * order, and swept by the others when it has fallen silent. Nothing that has to be right depends on it: what a lost
 * worker held is known from the leases of its jobs.
 */
export const workers = pgTable(
  'workers',
  {
    /** Made at every start of a process. */
    id: uuid('id').primaryKey(),
    host: text('host').notNull(),
    pid: integer('pid').notNull(),
    version: text('version').notNull(),
    /** Kinds of work it takes. */
    queues: text('queues').array().notNull(),
    /** Volumes it has mounted. */
    volumes: text('volumes').array().notNull(),
    /** Jobs it runs at a time, by kind of work, on each volume. */
    concurrency: jsonb('concurrency').$type<Readonly<Record<string, number>>>().notNull(),
    /** What it runs, as of the last beat. */
    jobIds: uuid('job_ids').array().notNull(),
    /** Whether it took more work, as of the last beat. */
    takesJobs: boolean('takes_jobs').notNull(),
    /** Asked to take no more work. */
    isDraining: boolean('is_draining').notNull().default(false),
    startedAt: timestamp('started_at', { withTimezone: true }).notNull(),
    beatAt: timestamp('beat_at', { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [
    index('workers_beat_idx').on(table.beatAt),
    check('workers_queues_check', sql`cardinality(queues) >= 1`),
  ],
);
