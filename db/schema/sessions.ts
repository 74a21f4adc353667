import { index, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import { keypairs } from './keypairs.ts';

/**
 * Browsers that signed in with a keypair. Only the SHA-256 of the cookie is kept; what the session may do is what its
 * keypair may do at that moment.
 */
export const sessions = pgTable(
  'sessions',
  {
    tokenHash: text('token_hash').primaryKey(),
    accessKey: text('access_key')
      .notNull()
      .references(() => keypairs.accessKey, { onDelete: 'cascade' }),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
  },
  (table) => [
    index('sessions_expires_idx').on(table.expiresAt),
    index('sessions_access_key_idx').on(table.accessKey),
  ],
);
