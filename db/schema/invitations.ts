import { sql } from 'drizzle-orm';
import { index, pgTable, text, timestamp, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { permissions } from '../../domain/permission.ts';
import { folders } from './folders.ts';
import { users } from './users.ts';

/** Offered memberships. At most one pending per folder and invitee. */
export const invitations = pgTable(
  'invitations',
  {
    id: uuid('id').primaryKey(),
    folderId: uuid('folder_id')
      .notNull()
      .references(() => folders.id),
    inviterId: uuid('inviter_id')
      .notNull()
      .references(() => users.id),
    inviteeId: uuid('invitee_id')
      .notNull()
      .references(() => users.id),
    permission: text('permission', { enum: permissions }).notNull(),
    state: text('state', { enum: ['pending', 'accepted', 'rejected', 'cancelled'] })
      .notNull()
      .default('pending'),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    answeredAt: timestamp('answered_at', { withTimezone: true }),
  },
  (table) => [
    uniqueIndex('invitations_pending_key').on(table.folderId, table.inviteeId).where(sql`state = 'pending'`),
    index('invitations_invitee_idx').on(table.inviteeId, table.createdAt).where(sql`state = 'pending'`),
    index('invitations_answered_idx').on(table.answeredAt).where(sql`answered_at IS NOT NULL`),
  ],
);
