import { eq, sql } from 'drizzle-orm';
import type { Usage } from '../../domain/quota.ts';
import type { Executor } from '../client.ts';
import { folders } from '../schema/folders.ts';

/** The counters of a folder; see the table `folders`. */
export interface FolderUsage {
  readonly volume: string;
  readonly state: 'active' | 'deleted' | 'purged';
  readonly quotaBytes: number;
  readonly quotaFiles: number;
  readonly usedBytes: number;
  readonly usedFiles: number;
  readonly trashBytes: number;
  readonly trashFiles: number;
  readonly reservedBytes: number;
  readonly reservedFiles: number;
  readonly usageAsOf: Date;
}

/** `null` when there is no such folder. */
export async function findFolderUsage(db: Executor, folderId: string): Promise<FolderUsage | null> {
  const rows = await db
    .select({
      volume: folders.volume,
      state: folders.state,
      quotaBytes: folders.quotaBytes,
      quotaFiles: folders.quotaFiles,
      usedBytes: folders.usedBytes,
      usedFiles: folders.usedFiles,
      trashBytes: folders.trashBytes,
      trashFiles: folders.trashFiles,
      reservedBytes: folders.reservedBytes,
      reservedFiles: folders.reservedFiles,
      usageAsOf: folders.usageAsOf,
    })
    .from(folders)
    .where(eq(folders.id, folderId));
  return rows[0] ?? null;
}

/** Moves `usage` from used to trash: what a delete took out of view. */
export async function moveUsageToTrash(tx: Executor, folderId: string, usage: Usage): Promise<void> {
  await tx.execute(sql`
    UPDATE folders
    SET used_bytes = greatest(0, used_bytes - ${usage.bytes}::bigint),
      used_files = greatest(0, used_files - ${usage.files}::bigint),
      trash_bytes = trash_bytes + ${usage.bytes}::bigint, trash_files = trash_files + ${usage.files}::bigint,
      mutation_seq = mutation_seq + 1
    WHERE id = ${folderId} AND state = 'active'`);
}

/** Counts `usage` as trash without taking it from used, where a measurement may have taken it already. */
export async function addTrashUsage(tx: Executor, folderId: string, usage: Usage): Promise<void> {
  await tx.execute(sql`
    UPDATE folders
    SET trash_bytes = trash_bytes + ${usage.bytes}::bigint, trash_files = trash_files + ${usage.files}::bigint
    WHERE id = ${folderId} AND state = 'active'`);
}

/** Frees `usage` of the trash: it is purged. */
export async function freeTrashUsage(tx: Executor, folderId: string, usage: Usage): Promise<void> {
  await tx.execute(sql`
    UPDATE folders
    SET trash_bytes = greatest(0, trash_bytes - ${usage.bytes}::bigint),
      trash_files = greatest(0, trash_files - ${usage.files}::bigint)
    WHERE id = ${folderId} AND state = 'active'`);
}

/** A moment at which a measurement may start. */
export interface MeasureStart {
  readonly mutationSeq: number;
  readonly before: Usage;
}

/**
 * Where a measurement starts; `busy` while a job is changing the tree (it holds claims), `gone` for a deleted folder.
 * Claiming and settling both raise `mutation_seq`, so a walk between two equal readings saw a tree at rest.
 */
export async function startMeasure(db: Executor, folderId: string): Promise<MeasureStart | 'busy' | 'gone'> {
  const rows = await db.execute<{ seq: string; bytes: string; files: string; busy: boolean }>(sql`
    SELECT mutation_seq AS seq, used_bytes AS bytes, used_files AS files,
      EXISTS (SELECT 1 FROM path_claims WHERE folder_id = folders.id) AS busy
    FROM folders WHERE id = ${folderId} AND state = 'active'`);
  const row = rows[0];
  if (row === undefined) return 'gone';
  if (row.busy) return 'busy';
  return {
    mutationSeq: Number(row.seq),
    before: { bytes: Number(row.bytes), files: Number(row.files) },
  };
}

/** Writes a measurement if nothing changed since its start. @returns whether it was written */
export async function settleMeasure(
  tx: Executor,
  measured: { folderId: string; mutationSeq: number; usage: Usage },
): Promise<boolean> {
  const rows = await tx
    .update(folders)
    .set({ usedBytes: measured.usage.bytes, usedFiles: measured.usage.files, usageAsOf: sql`now()` })
    .where(
      sql`${folders.id} = ${measured.folderId} AND state = 'active' AND mutation_seq = ${measured.mutationSeq}`,
    )
    .returning({ id: folders.id });
  return rows.length === 1;
}

/** Active folders of a volume whose usage was measured longest ago, at least `olderThanHours` ago. */
export async function listStaleUsage(
  db: Executor,
  options: { volume: string; olderThanHours: number; limit: number },
): Promise<string[]> {
  const rows = await db.execute<{ id: string }>(sql`
    SELECT id FROM folders
    WHERE volume = ${options.volume} AND state = 'active'
      AND usage_as_of < now() - make_interval(hours => ${options.olderThanHours})
    ORDER BY usage_as_of LIMIT ${options.limit}`);
  return rows.map((row) => row.id);
}

/** Ends a deleted folder whose bytes are gone: counters to zero, claims dropped. */
export async function settleFolderPurge(tx: Executor, folderId: string): Promise<void> {
  await tx.execute(sql`DELETE FROM path_claims WHERE folder_id = ${folderId}`);
  await tx
    .update(folders)
    .set({
      state: 'purged',
      usedBytes: 0,
      usedFiles: 0,
      trashBytes: 0,
      trashFiles: 0,
      reservedBytes: 0,
      reservedFiles: 0,
    })
    .where(sql`${folders.id} = ${folderId} AND state = 'deleted'`);
}
