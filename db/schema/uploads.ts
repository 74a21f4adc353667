import { sql } from 'drizzle-orm';
import { bigint, index, integer, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import { uploadStates } from '../../domain/upload-session.ts';
import { folders } from './folders.ts';
import { jobs } from './jobs.ts';
import { users } from './users.ts';

/**
 * Upload sessions, from reservation to commit: `receiving → staged → committed`, or `aborting → aborted`. While
 * `receiving`, the lease says that an API process is alive behind it; in `aborting`, when the reaper may clean up. The
 * reservation is part of `folders.reserved_*` until `committed` or `aborted`, so staged bytes are always covered.
 */
export const uploads = pgTable(
  'uploads',
  {
    id: uuid('id').primaryKey(),
    folderId: uuid('folder_id')
      .notNull()
      .references(() => folders.id),
    actorId: uuid('actor_id')
      .notNull()
      .references(() => users.id),
    state: text('state', { enum: uploadStates }).notNull().default('receiving'),
    reservedBytes: bigint('reserved_bytes', { mode: 'number' }).notNull(),
    reservedFiles: integer('reserved_files').notNull(),
    /** Files beyond `reservedFiles` that take the place of others, and so no room. */
    replacingFiles: integer('replacing_files').notNull().default(0),
    leaseUntil: timestamp('lease_until', { withTimezone: true }).notNull(),
    jobId: uuid('job_id').references(() => jobs.id, { onDelete: 'set null' }),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    finishedAt: timestamp('finished_at', { withTimezone: true }),
  },
  (table) => [
    index('uploads_lease_idx').on(table.leaseUntil).where(sql`state IN ('receiving', 'aborting')`),
    index('uploads_folder_open_idx')
      .on(table.folderId)
      .where(sql`state IN ('receiving', 'staged', 'aborting')`),
    index('uploads_job_idx').on(table.jobId),
    index('uploads_finished_idx').on(table.finishedAt).where(sql`finished_at IS NOT NULL`),
  ],
);
