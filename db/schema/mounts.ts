import { boolean, index, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { folders } from './folders.ts';
import { mountSessions } from './mount-sessions.ts';

/** The folders that a compute session was told to mount, and how; they go with their session. */
export const mounts = pgTable(
  'mounts',
  {
    sessionId: uuid('session_id')
      .notNull()
      .references(() => mountSessions.id, { onDelete: 'cascade' }),
    folderId: uuid('folder_id')
      .notNull()
      .references(() => folders.id),
    /** The place in the request. */
    ordinal: integer('ordinal').notNull(),
    /** The user's name for the folder when it was mounted. */
    name: text('name').notNull(),
    alias: text('alias').notNull(),
    isReadOnly: boolean('is_read_only').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.sessionId, table.folderId] }),
    index('mounts_folder_idx').on(table.folderId),
  ],
);
