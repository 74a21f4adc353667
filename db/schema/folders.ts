import { sql } from 'drizzle-orm';
import { bigint, boolean, check, index, integer, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core';
import { usageModes, usualOptions } from '../../domain/folder-options.ts';
import { permissions } from '../../domain/permission.ts';
import { users } from './users.ts';

const folderStates = ['active', 'cloning', 'trashed', 'deleted', 'purged'] as const;

/** The life of a folder; see the table. */
export type FolderState = (typeof folderStates)[number];

const counter = (name: string) => bigint(name, { mode: 'number' }).notNull().default(0);

/**
 * Virtual folders with their limits and counters. One that is `cloning` belongs to its owner, name and limit included, but
 * nobody sees it. One that is `trashed` is whole, but nobody's member; its owner can have it back until `purge_at`. `used_*` is what lies in `data`, `trash_*` what is removed but not
 * yet purged, `reserved_*` what open uploads may still add; a reservation is granted only while the three and the
 * new amount fit the quota. There is no CHECK on that sum: lowering a quota or a recount may legitimately exceed it.
 */
export const folders = pgTable(
  'folders',
  {
    id: uuid('id').primaryKey(),
    ownerId: uuid('owner_id')
      .notNull()
      .references(() => users.id),
    volume: text('volume').notNull(),
    state: text('state', { enum: folderStates }).notNull().default('active'),
    usageMode: text('usage_mode', { enum: usageModes }).notNull().default(usualOptions.usageMode),
    cloneable: boolean('cloneable').notNull().default(usualOptions.cloneable),
    /** What an invitation offers that names no permission. */
    permission: text('permission', { enum: permissions }).notNull().default(usualOptions.permission),
    quotaBytes: bigint('quota_bytes', { mode: 'number' }).notNull(),
    quotaFiles: bigint('quota_files', { mode: 'number' }).notNull(),
    usedBytes: counter('used_bytes'),
    usedFiles: counter('used_files'),
    trashBytes: counter('trash_bytes'),
    trashFiles: counter('trash_files'),
    reservedBytes: counter('reserved_bytes'),
    reservedFiles: counter('reserved_files'),
    /** Directories in `data` and in the trash, and those that open copies may add. Not below zero: see `takeDirectories`. */
    directories: counter('directories'),
    /** Grows with every change of the tree or of the claims on it; a recount writes only if it stood still. */
    mutationSeq: counter('mutation_seq'),
    usageAsOf: timestamp('usage_as_of', { withTimezone: true }).notNull().defaultNow(),
    /** How far the latest count was from what was recorded, bytes of the tree and of the trash added up. */
    usageDriftBytes: counter('usage_drift_bytes'),
    /** When the service counts the tree by itself, for containers change it behind its back. */
    usageDueAt: timestamp('usage_due_at', { withTimezone: true })
      .notNull()
      .default(sql`now() + interval '1 day'`),
    /** Measurements in a row that could not be written because the tree never stood still. */
    usageConflicts: integer('usage_conflicts').notNull().default(0),
    createdAt: timestamp('created_at', { withTimezone: true }).notNull().defaultNow(),
    deletedAt: timestamp('deleted_at', { withTimezone: true }),
    /** The owner's name for a trashed folder. */
    trashedName: text('trashed_name'),
    purgeAt: timestamp('purge_at', { withTimezone: true }),
  },
  (table) => [
    index('folders_owner_idx').on(table.ownerId).where(sql`state IN ('active', 'cloning')`),
    index('folders_trash_idx').on(table.ownerId, table.purgeAt).where(sql`state = 'trashed'`),
    index('folders_expiry_idx').on(table.purgeAt).where(sql`state = 'trashed'`),
    index('folders_state_idx').on(table.state, table.id),
    index('folders_usage_due_idx').on(table.volume, table.usageDueAt).where(sql`state = 'active'`),
    check(
      'folders_counters_check',
      sql`used_bytes >= 0 AND used_files >= 0 AND trash_bytes >= 0 AND trash_files >= 0
        AND reserved_bytes >= 0 AND reserved_files >= 0`,
    ),
  ],
);
