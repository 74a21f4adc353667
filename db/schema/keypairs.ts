import { boolean, customType, index, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import { users } from './users.ts';

const bytea = customType<{ data: Buffer }>({ dataType: () => 'bytea' });

/** Access keys. The secret is kept encrypted (AES-256-GCM: 12-byte nonce, ciphertext, 16-byte tag) because HMAC needs it back. */
export const keypairs = pgTable(
  'keypairs',
  {
    accessKey: text('access_key').primaryKey(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    secretSealed: bytea('secret_sealed').notNull(),
    isActive: boolean('is_active').notNull().default(true),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [index('keypairs_user_idx').on(table.userId)],
);
