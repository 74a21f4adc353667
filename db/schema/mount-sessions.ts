import { index, integer, pgTable, text, timestamp, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { users } from './users.ts';

/**
 * Compute sessions that have folders mounted. Each is a lease: past `expires_at` it guards nothing and is as good as gone, and its
 * rows are forgotten some time later.
 */
export const mountSessions = pgTable(
  'mount_sessions',
  {
    id: uuid('id').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    /** The user's own name for the session; others may have one of the same name. */
    session: text('session').notNull(),
    leaseSeconds: integer('lease_seconds').notNull(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
  },
  (table) => [
    uniqueIndex('mount_sessions_user_session_key').on(table.userId, table.session),
    index('mount_sessions_expires_idx').on(table.expiresAt),
  ],
);
