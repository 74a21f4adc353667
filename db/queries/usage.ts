import { eq, sql } from 'drizzle-orm';
import { folderDirectoriesLeast, type TreeCount, type Usage } from '../../domain/quota.ts';
import type { Executor } from '../client.ts';
import { type FolderState, folders } from '../schema/folders.ts';

/** Limits and counters of a folder, bytes and regular files; see the table `folders`. */
export interface FolderCounters {
  readonly quotaBytes: number;
  readonly quotaFiles: number;
  readonly usedBytes: number;
  readonly usedFiles: number;
  readonly trashBytes: number;
  readonly trashFiles: number;
  readonly reservedBytes: number;
  readonly reservedFiles: number;
  /** Directories, those in the trash and of open copies included; the limit follows from `quotaFiles`. */
  readonly directories: number;
}

/** The columns of {@link FolderCounters}. */
export const counterColumns = {
  quotaBytes: folders.quotaBytes,
  quotaFiles: folders.quotaFiles,
  usedBytes: folders.usedBytes,
  usedFiles: folders.usedFiles,
  trashBytes: folders.trashBytes,
  trashFiles: folders.trashFiles,
  reservedBytes: folders.reservedBytes,
  reservedFiles: folders.reservedFiles,
  directories: folders.directories,
};

/** What `folders.directories` may come to. */
export const directoriesMax = sql`greatest(folders.quota_files, ${sql.raw(String(folderDirectoriesLeast))})`;

/** The counters of a folder, as of a measurement. */
export interface FolderUsage extends FolderCounters {
  readonly volume: string;
  readonly state: FolderState;
  readonly usageAsOf: Date;
}

/** `null` when there is no such folder. */
export async function findFolderUsage(db: Executor, folderId: string): Promise<FolderUsage | null> {
  const rows = await db
    .select({
      volume: folders.volume,
      state: folders.state,
      ...counterColumns,
      usageAsOf: folders.usageAsOf,
    })
    .from(folders)
    .where(eq(folders.id, folderId));
  return rows[0] ?? null;
}

/**
 * Counts directories that are about to be made, in one statement: what is refused at one moment is refused at any concurrency.
 * A measurement under way is void. What is not made in the end is for the caller to give back.
 * @returns false when the folder may not hold so many, or is not live
 */
export async function takeDirectories(db: Executor, folderId: string, count: number): Promise<boolean> {
  const rows = await db.execute(sql`
    UPDATE folders SET directories = directories + ${count}::bigint, mutation_seq = mutation_seq + 1
    WHERE id = ${folderId} AND state = 'active' AND directories + ${count}::bigint <= ${directoriesMax}
    RETURNING id`);
  return rows.length > 0;
}

/** Corrects the count of directories by what was made beyond what was taken; below zero by what was not made. */
export async function correctDirectories(db: Executor, folderId: string, difference: number): Promise<void> {
  await db.execute(sql`
    UPDATE folders
    SET directories = greatest(0, directories + ${difference}::bigint), mutation_seq = mutation_seq + 1
    WHERE id = ${folderId} AND state IN ('active', 'trashed')`);
}

/** Moves `usage` from used to trash: what a delete took out of view. */
export async function moveUsageToTrash(tx: Executor, folderId: string, usage: Usage): Promise<void> {
  await tx.execute(sql`
    UPDATE folders
    SET used_bytes = greatest(0, used_bytes - ${usage.bytes}::bigint),
      used_files = greatest(0, used_files - ${usage.files}::bigint),
      trash_bytes = trash_bytes + ${usage.bytes}::bigint, trash_files = trash_files + ${usage.files}::bigint,
      mutation_seq = mutation_seq + 1
    WHERE id = ${folderId} AND state IN ('active', 'trashed')`);
}

/** Counts `usage` as trash without taking it from used, where a measurement may have taken it already. */
export async function addTrashUsage(tx: Executor, folderId: string, usage: Usage): Promise<void> {
  await tx.execute(sql`
    UPDATE folders
    SET trash_bytes = trash_bytes + ${usage.bytes}::bigint, trash_files = trash_files + ${usage.files}::bigint,
      mutation_seq = mutation_seq + 1
    WHERE id = ${folderId} AND state IN ('active', 'trashed')`);
}

/** Frees `usage` of the trash, which is purged, and the directories that were in it. */
export async function freeTrashUsage(tx: Executor, folderId: string, usage: TreeCount): Promise<void> {
  await tx.execute(sql`
    UPDATE folders
    SET trash_bytes = greatest(0, trash_bytes - ${usage.bytes}::bigint),
      trash_files = greatest(0, trash_files - ${usage.files}::bigint),
      directories = greatest(0, directories - ${usage.directories}::bigint),
      mutation_seq = mutation_seq + 1
    WHERE id = ${folderId} AND state IN ('active', 'trashed')`);
}

/** Ends a deleted folder whose bytes are gone: counters to zero, claims dropped. */
export async function settleFolderPurge(tx: Executor, folderId: string): Promise<void> {
  await tx.execute(sql`DELETE FROM path_claims WHERE folder_id = ${folderId}`);
  await tx.execute(sql`DELETE FROM copies WHERE folder_id = ${folderId}`);
  await tx.execute(sql`DELETE FROM file_digests WHERE folder_id = ${folderId}`);
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
      directories: 0,
    })
    .where(sql`${folders.id} = ${folderId} AND state = 'deleted'`);
}
