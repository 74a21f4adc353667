import { index, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { folders } from './folders.ts';
import { jobs } from './jobs.ts';

/**
 * Paths that an unfinished job is about to change. Two claims of one folder never overlap (equal, or one above the
 * other): claims are inserted under the folder's row lock after a look for overlaps. A claim ends with its job.
 *
 * A delete notes which entry it means, and which slot of the trash that goes to, so that its job can finish what a dead
 * request began and never takes another entry of that name for the one that was meant.
 */
export const pathClaims = pgTable(
  'path_claims',
  {
    folderId: uuid('folder_id')
      .notNull()
      .references(() => folders.id),
    path: text('path').notNull(),
    slot: integer('slot'),
    identity: text('identity'),
    jobId: uuid('job_id')
      .notNull()
      .references(() => jobs.id, { onDelete: 'cascade' }),
  },
  (table) => [
    primaryKey({ columns: [table.folderId, table.path] }),
    index('path_claims_job_idx').on(table.jobId),
  ],
);
