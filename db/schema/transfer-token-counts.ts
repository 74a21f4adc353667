import { bigint, index, integer, pgTable, primaryKey, timestamp, uuid } from 'drizzle-orm/pg-core';
import { users } from './users.ts';

/**
 * What the transfer tokens of users come to, by the span of time they expire in: a sum of a few rows, however many tokens there
 * are. `stripe` keeps requests of one user that come at the same time from waiting for each other.
 */
export const transferTokenCounts = pgTable(
  'transfer_token_counts',
  {
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    /** The end of the span; from then on none of these tokens is good. */
    goodUntil: timestamp('good_until', { withTimezone: true }).notNull(),
    stripe: integer('stripe').notNull(),
    tokens: bigint('tokens', { mode: 'number' }).notNull(),
    /** Of paths and names. */
    bytes: bigint('bytes', { mode: 'number' }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.userId, table.goodUntil, table.stripe] }),
    index('transfer_token_counts_good_until_idx').on(table.goodUntil),
  ],
);
