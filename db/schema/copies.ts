import { bigint, index, pgTable, uuid } from 'drizzle-orm/pg-core';
import { folders } from './folders.ts';
import { jobs } from './jobs.ts';

/**
 * What copies inside a folder have reserved there, by job. The reservation is part of `folders.reserved_*` until the copy
 * is settled or its staged tree, which has the job's id, is gone; so staged bytes are always covered.
 */
export const copies = pgTable(
  'copies',
  {
    jobId: uuid('job_id')
      .primaryKey()
      .references(() => jobs.id, { onDelete: 'cascade' }),
    folderId: uuid('folder_id')
      .notNull()
      .references(() => folders.id),
    reservedBytes: bigint('reserved_bytes', { mode: 'number' }).notNull(),
    reservedFiles: bigint('reserved_files', { mode: 'number' }).notNull(),
    /** Part of `folders.directories`. */
    directories: bigint('directories', { mode: 'number' }).notNull().default(0),
  },
  (table) => [index('copies_folder_idx').on(table.folderId)],
);
