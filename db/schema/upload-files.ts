import { bigint, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { uploads } from './uploads.ts';

/**
 * The files of an upload session, known once they are staged and synced; the staged name follows from session and
 * ordinal. Digests and inode are missing (`null`, empty) until the commit has joined and read what came in pieces.
 * `replaced_*` is what the target held, noted once under the path claim before the rename; `null` until then.
 */
export const uploadFiles = pgTable(
  'upload_files',
  {
    uploadId: uuid('upload_id')
      .notNull()
      .references(() => uploads.id, { onDelete: 'cascade' }),
    ordinal: integer('ordinal').notNull(),
    path: text('path').notNull(),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
    sha256: text('sha256'),
    crc32: bigint('crc32', { mode: 'number' }),
    inode: text('inode').notNull(),
    /** Inode, size and modification time once synced; what the checksum is noted for at the end. */
    version: text('version'),
    replacedBytes: bigint('replaced_bytes', { mode: 'number' }),
    replacedFiles: integer('replaced_files'),
    /** The file that goes away with its last name; empty for one that has another name, `null` when nothing was replaced. */
    replacedInode: text('replaced_inode'),
  },
  (table) => [primaryKey({ columns: [table.uploadId, table.ordinal] })],
);
