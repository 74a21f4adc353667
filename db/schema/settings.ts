import { pgTable, text } from 'drizzle-orm/pg-core';

/** Facts about the installation, such as the fingerprint of the encryption key in use. */
export const settings = pgTable('settings', {
  name: text('name').primaryKey(),
  value: text('value').notNull(),
});
