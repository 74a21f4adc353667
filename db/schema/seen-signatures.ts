import { index, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';

/** Signatures of changes that were accepted, for as long as their date lets them pass again. */
export const seenSignatures = pgTable(
  'seen_signatures',
  {
    accessKey: text('access_key').notNull(),
    signature: text('signature').notNull(),
    seenAt: timestamp('seen_at', { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.accessKey, table.signature] }),
    index('seen_signatures_seen_idx').on(table.seenAt),
  ],
);
