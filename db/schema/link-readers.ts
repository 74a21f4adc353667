import { index, pgTable, primaryKey, text, timestamp, uuid } from 'drizzle-orm/pg-core';

/**
 * Who began to fetch what by a link in the last day, so that parts of it are not counted once more. Rows outlive their link,
 * which is why they do not refer to it.
 */
export const linkReaders = pgTable(
  'link_readers',
  {
    linkId: uuid('link_id').notNull(),
    /** SHA-256 of the link and the address, in hex. */
    reader: text('reader').notNull(),
    /** SHA-256 of the path and the ETag of the content, in hex. */
    content: text('content').notNull(),
    beganAt: timestamp('began_at', { withTimezone: true }).notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.linkId, table.reader, table.content] }),
    index('link_readers_began_idx').on(table.beganAt),
  ],
);
