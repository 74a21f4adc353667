import { boolean, index, jsonb, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import { folders } from './folders.ts';
import { uploads } from './uploads.ts';
import { users } from './users.ts';

/**
 * Tokens that let a bearer do one thing with one path of a folder, as their user, for a while. Only the SHA-256 of a token
 * is kept. The right itself is looked up at each use.
 */
export const transferTokens = pgTable(
  'transfer_tokens',
  {
    /** Lower-case hex. */
    tokenHash: text('token_hash').primaryKey(),
    verb: text('verb', { enum: ['upload', 'download', 'archive'] }).notNull(),
    folderId: uuid('folder_id')
      .notNull()
      .references(() => folders.id),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    paths: jsonb('paths').$type<readonly string[]>().notNull(),
    /** Of a download: the path may be a directory, sent as an archive. */
    isArchive: boolean('is_archive').notNull().default(false),
    fileName: text('file_name'),
    /** Of an upload: the session that receives it. */
    uploadId: uuid('upload_id').references(() => uploads.id, { onDelete: 'cascade' }),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
  },
  (table) => [
    index('transfer_tokens_expires_idx').on(table.expiresAt),
    index('transfer_tokens_upload_idx').on(table.uploadId),
  ],
);
