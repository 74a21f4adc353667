import { count, eq, sql } from 'drizzle-orm';
import type { JobKind } from '../../domain/job.ts';
import type { VolumeState } from '../../domain/volume-state.ts';
import type { Executor } from '../client.ts';
import { folders } from '../schema/folders.ts';
import { volumes } from '../schema/volumes.ts';

/** What operators set for a volume, and when; never: `null`. */
export interface VolumeSetting {
  readonly state: VolumeState;
  readonly changedAt: Date | null;
}

/** Every volume that somebody has set a state for. A table of a few rows. */
export async function listVolumeSettings(
  db: Executor,
): Promise<(VolumeSetting & { readonly name: string })[]> {
  return await db
    .select({ name: volumes.name, state: volumes.state, changedAt: volumes.changedAt })
    .from(volumes);
}

/** Tells whether nothing may be changed on a volume at the moment. */
export async function isReadOnlyVolume(db: Executor, name: string): Promise<boolean> {
  const [row] = await db.select({ state: volumes.state }).from(volumes).where(eq(volumes.name, name));
  return row?.state === 'read_only';
}

/**
 * The state of a volume, locked until the transaction ends, so that changes happen one after the other and each knows what
 * it changed. Makes the row if need be.
 */
export async function lockVolumeState(tx: Executor, name: string): Promise<VolumeState> {
  await tx.insert(volumes).values({ name, state: 'active' }).onConflictDoNothing();
  const [row] = await tx
    .select({ state: volumes.state })
    .from(volumes)
    .where(eq(volumes.name, name))
    .for('update');
  return row?.state ?? 'active';
}

/** Sets the state of a locked volume. */
export async function updateVolumeState(
  tx: Executor,
  { name, state }: { readonly name: string; readonly state: VolumeState },
): Promise<void> {
  await tx.update(volumes).set({ state, changedAt: sql`now()` }).where(eq(volumes.name, name));
}

/** How many folders each volume holds, those in the trash and those about to be freed included. One pass over the folders. */
export async function countFoldersByVolume(db: Executor): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .select({ volume: folders.volume, folders: count() })
    .from(folders)
    .where(sql`${folders.state} <> 'purged'`)
    .groupBy(folders.volume);
  return new Map(rows.map((row) => [row.volume, row.folders]));
}

/** How many running jobs of each volume change something there: all but the kinds that only read. Uses `jobs_due_idx`. */
export async function countRunningWriters(
  db: Executor,
  readingKinds: readonly JobKind[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await db.execute<{ volume: string; jobs: number }>(sql`
    SELECT volume, count(*)::int AS jobs FROM jobs
    WHERE state IN ('queued', 'running') AND state = 'running'
      AND NOT jsonb_exists(${JSON.stringify(readingKinds)}::jsonb, kind)
    GROUP BY volume`);
  return new Map(rows.map(({ volume, jobs }) => [volume, jobs]));
}
