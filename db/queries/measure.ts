import { sql } from 'drizzle-orm';
import type { TreeCount, Usage } from '../../domain/quota.ts';
import type { Executor } from '../client.ts';
import { folders } from '../schema/folders.ts';

/** When a measurement that could not be written is tried again by itself: doubles with every one, up to a day. */
const retryMinutes = 1;
const retryDoublingsMax = 11;
const dayMinutes = 24 * 60;
/** How long a request for a measurement has to show effect before the folder is asked for again. */
const requestedMinutes = 60;

/** What is counted: entries in view, and entries in the trash. */
export interface MeasuredUsage {
  readonly live: Usage;
  readonly trash: Usage;
  /** Of both together. */
  readonly directories: number;
}

/** A moment at which a measurement may start. */
export interface MeasureStart {
  readonly mutationSeq: number;
  readonly before: MeasuredUsage;
  /** A job is changing the tree (it holds claims), or what it took out is not accounted for yet. */
  readonly isBusy: boolean;
}

/**
 * Where a measurement starts; `null` for a deleted folder. Claiming and settling both raise `mutation_seq`, so a walk
 * between two equal readings that were not busy saw a tree at rest. Indexes `path_claims_pkey`, `jobs_folder_open_idx`.
 */
export async function startMeasure(db: Executor, folderId: string): Promise<MeasureStart | null> {
  const rows = await db.execute<
    Record<'seq' | 'bytes' | 'files' | 'tbytes' | 'tfiles' | 'directories', string> & { busy: boolean }
  >(
    sql`
    SELECT mutation_seq AS seq, used_bytes AS bytes, used_files AS files, trash_bytes AS tbytes, trash_files AS tfiles,
      directories - (SELECT coalesce(sum(directories), 0) FROM copies WHERE folder_id = folders.id) AS directories,
      EXISTS (SELECT 1 FROM path_claims WHERE folder_id = folders.id) OR EXISTS (
        SELECT 1 FROM jobs WHERE folder_id = folders.id AND kind = 'trash.purge' AND state IN ('queued', 'running')
          AND checkpoint->'measured' IS NULL
      ) AS busy
    FROM folders WHERE id = ${folderId} AND state = 'active'`,
  );
  const row = rows[0];
  if (row === undefined) return null;
  return {
    mutationSeq: Number(row.seq),
    isBusy: row.busy,
    before: {
      live: { bytes: Number(row.bytes), files: Number(row.files) },
      trash: { bytes: Number(row.tbytes), files: Number(row.tfiles) },
      directories: Number(row.directories),
    },
  };
}

/** A purge that is not done, with what it has moved from used to trash; `null` if it has not come to that. */
export interface TrashShare {
  readonly jobId: string;
  readonly measured: TreeCount | null;
  readonly isOpen: boolean;
}

/** The purges of a folder that are open, and those of `trashIds` that ended without success. */
export async function listTrashShares(
  db: Executor,
  query: { readonly folderId: string; readonly trashIds: readonly string[] },
): Promise<TrashShare[]> {
  const { folderId, trashIds } = query;
  const rows = await db.execute<{
    id: string;
    bytes: string | null;
    files: string | null;
    directories: string | null;
    open: boolean;
  }>(sql`
    SELECT id, checkpoint->'measured'->>'bytes' AS bytes, checkpoint->'measured'->>'files' AS files,
      checkpoint->'measured'->>'directories' AS directories,
      state IN ('queued', 'running') AS open
    FROM jobs
    WHERE kind = 'trash.purge' AND state <> 'succeeded' AND folder_id = ${folderId} AND (
      state IN ('queued', 'running')
      OR id = ANY(ARRAY(SELECT jsonb_array_elements_text(${JSON.stringify(trashIds)}::jsonb)::uuid)))`);
  return rows.map(({ id, bytes, files, directories, open }) => ({
    jobId: id,
    measured:
      bytes === null || files === null
        ? null
        : { bytes: Number(bytes), files: Number(files), directories: Number(directories ?? 0) },
    isOpen: open,
  }));
}

/**
 * Accounts on behalf of purges that ended before they could: their next run only frees. @returns whether all of them
 * still wait for one
 */
export async function accountForTrash(
  tx: Executor,
  shares: readonly { readonly jobId: string; readonly measured: TreeCount }[],
): Promise<boolean> {
  if (shares.length === 0) return true;
  const rows = await tx.execute(sql`
    WITH ended AS MATERIALIZED (
      SELECT jobs.id, share.measured
      FROM jsonb_to_recordset(${JSON.stringify(shares)}::jsonb) AS share("jobId" uuid, measured jsonb)
        JOIN jobs ON jobs.id = share."jobId"
      WHERE state IN ('failed', 'cancelled') AND checkpoint->'measured' IS NULL
      ORDER BY jobs.id FOR NO KEY UPDATE OF jobs
    )
    UPDATE jobs SET checkpoint = jsonb_build_object('measured', ended.measured)
    FROM ended WHERE jobs.id = ended.id RETURNING jobs.id`);
  return rows.length === shares.length;
}

/** Writes a measurement if nothing changed since its start. The next is due in about a day. @returns whether it was written */
export async function settleMeasure(
  tx: Executor,
  measured: { readonly folderId: string; readonly mutationSeq: number; readonly usage: MeasuredUsage },
): Promise<boolean> {
  const { live, trash, directories } = measured.usage;
  const rows = await tx
    .update(folders)
    .set({
      usedBytes: live.bytes,
      usedFiles: live.files,
      trashBytes: trash.bytes,
      trashFiles: trash.files,
      // What copies have staged lies neither in the tree nor in the trash.
      directories: sql`${directories}::bigint + (
        SELECT coalesce(sum(copies.directories), 0) FROM copies WHERE copies.folder_id = folders.id)`,
      // The right side sees the row as it was.
      usageDriftBytes: sql`abs(${live.bytes}::bigint - used_bytes) + abs(${trash.bytes}::bigint - trash_bytes)`,
      usageAsOf: sql`now()`,
      // Spread, so that folders made together are not counted together for ever.
      usageDueAt: sql`now() + interval '1 minute' * ${dayMinutes}::int * (0.9 + random() * 0.2)`,
      usageConflicts: 0,
    })
    .where(
      sql`${folders.id} = ${measured.folderId} AND state = 'active' AND mutation_seq = ${measured.mutationSeq}`,
    )
    .returning({ id: folders.id });
  return rows.length === 1;
}

/**
 * Voids the counts of live folders that are under way, and has them counted anew: what changed is nothing that the service saw. One
 * that was just written stands until the schedule comes by. The rows are locked in the order of their ids.
 */
export async function demandMeasures(tx: Executor, folderIds: readonly string[]): Promise<void> {
  if (folderIds.length === 0) return;
  await tx.execute(sql`
    WITH asked AS MATERIALIZED (
      SELECT id FROM folders
      WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text(${JSON.stringify(folderIds)}::text::jsonb)::uuid))
        AND (state = 'active') IS TRUE
      ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE folders SET mutation_seq = mutation_seq + 1, usage_due_at = least(usage_due_at, now())
    FROM asked WHERE folders.id = asked.id`);
}

/** Notes that a folder changed during every walk: the next measurement is due later each time. */
export async function postponeMeasure(tx: Executor, folderId: string): Promise<void> {
  await tx.execute(sql`
    UPDATE folders
    SET usage_conflicts = usage_conflicts + 1,
      usage_due_at = now() + interval '1 minute' * least(
        ${dayMinutes}::int, ${retryMinutes}::int * power(2, least(usage_conflicts, ${retryDoublingsMax}::int)))
    WHERE id = ${folderId} AND state = 'active'`);
}

/**
 * Takes up to `limit` folders of a volume whose measurement is due, the most overdue first. Each is due again in an hour
 * unless it is measured by then, so that one that cannot be counted does not stand in the way of others. Folders that
 * are being written to at the moment are left for the next time. Index `folders_usage_due_idx`.
 */
export async function takeDueMeasures(
  db: Executor,
  query: { readonly volume: string; readonly limit: number },
): Promise<string[]> {
  const rows = await db.execute<{ id: string }>(sql`
    UPDATE folders SET usage_due_at = now() + interval '1 minute' * ${requestedMinutes}::int
    WHERE id = ANY(ARRAY(
      SELECT id FROM folders
      WHERE volume = ${query.volume} AND state = 'active' AND usage_due_at <= now()
      ORDER BY usage_due_at LIMIT ${query.limit} FOR NO KEY UPDATE SKIP LOCKED))
    RETURNING id`);
  return rows.map((row) => row.id);
}

/** Counts the measurements of a volume that are not done, up to `limit`. Index `jobs_measure_open_idx`. */
export async function countOpenMeasures(
  db: Executor,
  query: { readonly volume: string; readonly limit: number },
): Promise<number> {
  const rows = await db.execute<{ open: number }>(sql`
    SELECT count(*)::int AS open FROM (
      SELECT 1 FROM jobs
      WHERE volume = ${query.volume} AND kind = 'usage.measure' AND state IN ('queued', 'running')
      LIMIT ${query.limit}) AS found`);
  return rows[0]?.open ?? 0;
}
