import { sql } from 'drizzle-orm';
import type { TreeCount } from '../../domain/quota.ts';
import type { Executor } from '../client.ts';
import { directoriesMax } from './usage.ts';

/** A copy inside a folder, known by its job. */
export interface CopyReference {
  readonly jobId: string;
  readonly folderId: string;
}

/**
 * Makes sure that a copy has at least `amount` reserved in all; what it has is never given back here, for an earlier run
 * may have used it. Lock order: job, then copy, then folder.
 * @returns false when the missing part does not fit or the folder is not live; nothing changes then
 */
export async function reserveCopy(
  tx: Executor,
  { jobId, folderId }: CopyReference,
  amount: TreeCount,
): Promise<boolean> {
  const rows = await tx.execute(sql`
    WITH had AS (
      SELECT coalesce(max(reserved_bytes), 0) AS bytes, coalesce(max(reserved_files), 0) AS files,
        coalesce(max(directories), 0) AS directories
      FROM copies WHERE job_id = ${jobId}
    ), more AS (
      SELECT greatest(0, ${amount.bytes}::bigint - bytes) AS bytes, greatest(0, ${amount.files}::bigint - files) AS files,
        greatest(0, ${amount.directories}::bigint - directories) AS directories
      FROM had
    ), f AS (
      UPDATE folders
      SET reserved_bytes = reserved_bytes + more.bytes, reserved_files = reserved_files + more.files,
        directories = folders.directories + more.directories
      FROM more
      WHERE folders.id = ${folderId} AND state = 'active'
        AND (more.bytes = 0 OR used_bytes + trash_bytes + reserved_bytes + more.bytes <= quota_bytes)
        AND (more.files = 0 OR used_files + trash_files + reserved_files + more.files <= quota_files)
        AND (more.directories = 0 OR folders.directories + more.directories <= ${directoriesMax})
      RETURNING folders.id, more.bytes, more.files, more.directories AS made
    )
    INSERT INTO copies (job_id, folder_id, reserved_bytes, reserved_files, directories)
    SELECT ${jobId}, f.id, f.bytes, f.files, f.made FROM f
    ON CONFLICT (job_id) DO UPDATE SET
      reserved_bytes = copies.reserved_bytes + excluded.reserved_bytes,
      reserved_files = copies.reserved_files + excluded.reserved_files,
      directories = copies.directories + excluded.directories
    RETURNING job_id`);
  return rows.length === 1;
}

/** Turns what a copy reserved into the usage it has become. A no-op when it was settled or released before. */
export async function settleCopy(tx: Executor, jobId: string, usage: TreeCount): Promise<void> {
  await tx.execute(sql`
    WITH c AS (DELETE FROM copies WHERE job_id = ${jobId} RETURNING folder_id, reserved_bytes, reserved_files, directories)
    UPDATE folders
    SET reserved_bytes = folders.reserved_bytes - c.reserved_bytes,
      reserved_files = folders.reserved_files - c.reserved_files,
      directories = greatest(0, folders.directories - c.directories + ${usage.directories}::bigint),
      used_bytes = used_bytes + ${usage.bytes}::bigint, used_files = used_files + ${usage.files}::bigint,
      mutation_seq = mutation_seq + 1
    FROM c WHERE folders.id = c.folder_id`);
}

/** Gives back what a copy reserved whose staged tree is gone. Safe to repeat. @returns whether its folder is live */
export async function releaseCopy(tx: Executor, jobId: string): Promise<boolean> {
  const rows = await tx.execute<{ active: boolean }>(sql`
    WITH c AS (DELETE FROM copies WHERE job_id = ${jobId} RETURNING folder_id, reserved_bytes, reserved_files, directories)
    UPDATE folders
    SET directories = greatest(0, folders.directories - c.directories),
      reserved_bytes = greatest(0, folders.reserved_bytes - c.reserved_bytes),
      reserved_files = greatest(0, folders.reserved_files - c.reserved_files)
    FROM c WHERE folders.id = c.folder_id
    RETURNING state = 'active' AS active`);
  return rows[0]?.active === true;
}

/** Copies on `volume` whose job ended without giving back what it reserved. */
export async function listAbandonedCopies(
  db: Executor,
  options: { readonly volume: string; readonly limit: number },
): Promise<CopyReference[]> {
  const rows = await db.execute<{ jobId: string; folderId: string }>(sql`
    SELECT copies.job_id AS "jobId", copies.folder_id AS "folderId"
    FROM copies JOIN jobs ON jobs.id = copies.job_id
    WHERE jobs.state NOT IN ('queued', 'running') AND jobs.volume = ${options.volume}
    LIMIT ${options.limit}`);
  return [...rows];
}
