import { bigint, pgTable, primaryKey, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import { folders } from './folders.ts';

/**
 * Checksums of files as they were uploaded, good for as long as inode, size and modification time (`version`, as in
 * `EntryStat`) have not changed. A cache: a row that is missing or old costs time and never truth. By inode, so that it
 * stays with a file that is moved.
 */
export const fileDigests = pgTable(
  'file_digests',
  {
    folderId: uuid('folder_id')
      .notNull()
      .references(() => folders.id),
    inode: text('inode').notNull(),
    version: text('version').notNull(),
    crc32: bigint('crc32', { mode: 'number' }).notNull(),
    notedAt: timestamp('noted_at', { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.folderId, table.inode] })],
);
