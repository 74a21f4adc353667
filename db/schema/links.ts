import { index, integer, pgTable, text, timestamp, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { linkKinds } from '../../domain/link.ts';
import { folders } from './folders.ts';
import { users } from './users.ts';

/**
 * Links that let whoever has them read or fill a part of a folder, as the user who made them. Only the SHA-256 of a token is
 * kept; a revoked link has no row. The right itself is looked up at each use.
 */
export const links = pgTable(
  'links',
  {
    id: uuid('id').primaryKey(),
    /** Lower-case hex. */
    digest: text('digest').notNull(),
    kind: text('kind', { enum: linkKinds }).notNull(),
    folderId: uuid('folder_id')
      .notNull()
      .references(() => folders.id),
    /** What it leads to; empty: the folder's root. */
    path: text('path').notNull(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    /** The keypair that it was made with, which has to be switched on; `null` when it was a token. */
    accessKey: text('access_key'),
    /** The API token that it was made with, which must not have expired. */
    tokenId: uuid('token_id'),
    /** See `api/links/passwords.ts`. */
    passwordHash: text('password_hash'),
    usesMax: integer('uses_max'),
    uses: integer('uses').notNull().default(0),
    /** Passwords tried since `guesses_since` that were wrong, or are being looked at. */
    guesses: integer('guesses').notNull().default(0),
    guessesSince: timestamp('guesses_since', { withTimezone: true }),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
    firstUsedAt: timestamp('first_used_at', { withTimezone: true }),
    lastUsedAt: timestamp('last_used_at', { withTimezone: true }),
  },
  (table) => [
    uniqueIndex('links_digest_key').on(table.digest),
    index('links_user_idx').on(table.userId, table.id),
    index('links_folder_idx').on(table.folderId, table.id),
    index('links_expires_idx').on(table.expiresAt),
  ],
);
