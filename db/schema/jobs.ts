import { sql } from 'drizzle-orm';
import {
  bigint,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  text,
  timestamp,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { type JobProgress, jobKinds, jobStates } from '../../domain/job.ts';
import { folders } from './folders.ts';
import { users } from './users.ts';

/**
 * Background work; the truth about it. The queue only transports ids. A worker claims a row by a lease on the
 * database clock and a fence; every later write checks the fence. `next_dispatch_at` is when the row has to be handed
 * to the queue (again): for a running row, when its lease ends.
 */
export const jobs = pgTable(
  'jobs',
  {
    id: uuid('id').primaryKey(),
    kind: text('kind', { enum: jobKinds }).notNull(),
    /** Volume whose workers can run it. */
    volume: text('volume').notNull(),
    folderId: uuid('folder_id').references(() => folders.id),
    /** Who asked for it; `null` for the service itself. */
    actorId: uuid('actor_id').references(() => users.id),
    payload: jsonb('payload').$type<unknown>().notNull(),
    state: text('state', { enum: jobStates }).notNull().default('queued'),
    /** 0 is most urgent. */
    priority: integer('priority').notNull().default(0),
    /** Runs that ended in a failure or a lost worker. */
    attempt: integer('attempt').notNull().default(0),
    attemptsMax: integer('attempts_max').notNull(),
    fence: bigint('fence', { mode: 'number' }).notNull().default(0),
    leaseUntil: timestamp('lease_until', { withTimezone: true }),
    leaseOwner: text('lease_owner'),
    nextDispatchAt: timestamp('next_dispatch_at', { withTimezone: true }).notNull().defaultNow(),
    dispatchCount: integer('dispatch_count').notNull().default(0),
    cancelRequestedAt: timestamp('cancel_requested_at', { withTimezone: true }),
    /** Jobs with equal keys that are not finished collapse into one. */
    dedupeKey: text('dedupe_key'),
    /** What it belongs to: the span of the request that asked for it (W3C Trace Context); `null` when none is known. */
    traceparent: text('traceparent'),
    progress: jsonb('progress').$type<JobProgress>(),
    checkpoint: jsonb('checkpoint').$type<unknown>(),
    result: jsonb('result').$type<unknown>(),
    errorCode: text('error_code'),
    errorDetail: text('error_detail'),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    startedAt: timestamp('started_at', { withTimezone: true }),
    finishedAt: timestamp('finished_at', { withTimezone: true }),
  },
  (table) => [
    index('jobs_due_idx').on(table.nextDispatchAt).where(sql`state IN ('queued', 'running')`),
    index('jobs_actor_idx').on(table.actorId, table.id),
    index('jobs_actor_open_idx').on(table.actorId).where(sql`state IN ('queued', 'running')`),
    index('jobs_folder_open_idx').on(table.folderId).where(sql`state IN ('queued', 'running')`),
    index('jobs_folder_purge_idx').on(table.folderId, table.createdAt).where(sql`kind = 'folder.purge'`),
    index('jobs_measure_open_idx')
      .on(table.volume)
      .where(sql`kind = 'usage.measure' AND state IN ('queued', 'running')`),
    index('jobs_failed_idx')
      .on(table.volume, table.kind, table.id)
      .where(sql`state IN ('failed', 'cancelled')`),
    index('jobs_finished_idx').on(table.finishedAt).where(sql`finished_at IS NOT NULL`),
    uniqueIndex('jobs_dedupe_key').on(table.dedupeKey).where(sql`state IN ('queued', 'running')`),
    check('jobs_attempt_check', sql`attempt >= 0 AND attempts_max >= 1`),
  ],
);
