import { bigint, index, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import { folders } from './folders.ts';
import { users } from './users.ts';

/** Archives built by jobs, downloadable until they expire. The id is the job's id. */
export const archives = pgTable(
  'archives',
  {
    id: uuid('id').primaryKey(),
    folderId: uuid('folder_id')
      .notNull()
      .references(() => folders.id),
    actorId: uuid('actor_id')
      .notNull()
      .references(() => users.id),
    volume: text('volume').notNull(),
    format: text('format', { enum: ['zip', 'tar', 'tar.gz'] }).notNull(),
    fileName: text('file_name').notNull(),
    sizeBytes: bigint('size_bytes', { mode: 'number' }).notNull(),
    sha256: text('sha256').notNull(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
  },
  (table) => [
    index('archives_expires_idx').on(table.expiresAt),
    index('archives_actor_idx').on(table.actorId),
  ],
);
