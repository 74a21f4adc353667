import { sql } from 'drizzle-orm';
import { check, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import type { VolumeState } from '../../domain/volume-state.ts';

/** The state operators set for a volume; no row is the usual: active. Names are those of `VFOLDER_VOLUMES`. */
export const volumes = pgTable(
  'volumes',
  {
    name: text('name').primaryKey(),
    state: text('state').$type<VolumeState>().notNull(),
    changedAt: timestamp('changed_at', { withTimezone: true }).notNull().defaultNow(),
  },
  () => [check('volumes_state_check', sql`state IN ('active', 'read_only', 'draining')`)],
);
