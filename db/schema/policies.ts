import { bigint, integer, pgTable, text } from 'drizzle-orm/pg-core';
import { folderBytesMaxDefault, folderFilesMaxDefault, foldersMaxDefault } from '../../domain/quota.ts';

/** Limits that users share; the row `default` always exists. */
export const policies = pgTable('policies', {
  name: text('name').primaryKey(),
  foldersMax: integer('folders_max').notNull().default(foldersMaxDefault),
  folderBytesMax: bigint('folder_bytes_max', { mode: 'number' }).notNull().default(folderBytesMaxDefault),
  folderFilesMax: bigint('folder_files_max', { mode: 'number' }).notNull().default(folderFilesMaxDefault),
  /** Requests of a keypair or token in any 900 s; `null` is what the service is set to. */
  requestsMax: integer('requests_max'),
  /** Where new folders may be placed; `null` is everywhere. */
  volumes: text('volumes').array(),
});
