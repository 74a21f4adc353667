import { boolean, index, pgTable, primaryKey, text, timestamp, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { permissions } from '../../domain/permission.ts';
import { folders } from './folders.ts';
import { users } from './users.ts';

/**
 * Who sees which folder, under which name and with which permission; the owner has a row too. Rows of a folder go
 * away with its deletion, so the unique name per viewer holds over live folders only.
 */
export const members = pgTable(
  'members',
  {
    folderId: uuid('folder_id')
      .notNull()
      .references(() => folders.id),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    name: text('name').notNull(),
    permission: text('permission', { enum: permissions }).notNull(),
    isOwner: boolean('is_owner').notNull(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.folderId, table.userId] }),
    uniqueIndex('members_user_name_key').on(table.userId, table.name),
    index('members_user_folder_idx').on(table.userId, table.folderId),
  ],
);
