import { bigint, index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core';

/** Requests by keypair or address and span of 900 s since 1970, summed over all API processes. */
export const rateCounts = pgTable(
  'rate_counts',
  {
    key: text('key').notNull(),
    span: integer('span').notNull(),
    count: bigint('count', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.key, table.span] }), index('rate_counts_span_idx').on(table.span)],
);
