import { index, jsonb, pgTable, text, timestamp, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import type { TokenScope } from '../../domain/api-token.ts';
import { users } from './users.ts';

/** API tokens. Only their SHA-256 is kept; a revoked one has no row. */
export const apiTokens = pgTable(
  'api_tokens',
  {
    id: uuid('id').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    name: text('name').notNull(),
    digest: text('digest').notNull(),
    scopes: jsonb('scopes').$type<readonly TokenScope[]>().notNull(),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    expiresAt: timestamp('expires_at', { withTimezone: true }).notNull(),
    /** To the minute. */
    lastUsedAt: timestamp('last_used_at', { withTimezone: true }),
  },
  (table) => [
    uniqueIndex('api_tokens_digest_key').on(table.digest),
    index('api_tokens_user_idx').on(table.userId, table.id),
    index('api_tokens_expires_idx').on(table.expiresAt),
  ],
);
