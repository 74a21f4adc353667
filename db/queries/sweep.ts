import { sql } from 'drizzle-orm';
import type { JobState } from '../../domain/job.ts';
import type { Executor } from '../client.ts';
import type { FolderState } from '../schema/folders.ts';

/** States of the folders with these ids; ids without a row are missing from the answer. */
export async function findFolderStates(
  db: Executor,
  folderIds: readonly string[],
): Promise<Map<string, FolderState>> {
  const rows = await db.execute<{ id: string; state: FolderState }>(sql`
    SELECT id, state FROM folders
    WHERE id IN (SELECT jsonb_array_elements_text(${JSON.stringify(folderIds)}::jsonb)::uuid)`);
  return new Map(rows.map((row) => [row.id, row.state]));
}

/** States of the jobs with these ids; ids without a row are missing from the answer. */
export async function findJobStates(db: Executor, jobIds: readonly string[]): Promise<Map<string, JobState>> {
  const rows = await db.execute<{ id: string; state: JobState }>(sql`
    SELECT id, state FROM jobs
    WHERE id IN (SELECT jsonb_array_elements_text(${JSON.stringify(jobIds)}::jsonb)::uuid)`);
  return new Map(rows.map((row) => [row.id, row.state]));
}

/**
 * Gives a purge that ended without success another set of attempts. Its checkpoint stays, so what it already accounted for
 * is not accounted for twice. @returns whether it was in such a state
 */
export async function requeuePurge(db: Executor, jobId: string): Promise<boolean> {
  const rows = await db.execute(sql`
    UPDATE jobs
    SET state = 'queued', attempt = 0, dispatch_count = 0, next_dispatch_at = now(), finished_at = NULL,
      lease_until = NULL, lease_owner = NULL, cancel_requested_at = NULL, error_code = NULL, error_detail = NULL
    WHERE id = ${jobId} AND kind IN ('trash.purge', 'folder.purge') AND state IN ('failed', 'cancelled')
    RETURNING id`);
  return rows.length === 1;
}

/** The latest purge of a folder that is deleted but not purged, with its state; `null` when none was ever recorded. */
export async function findFolderPurge(
  db: Executor,
  folderId: string,
): Promise<{ id: string; state: JobState } | null> {
  const rows = await db.execute<{ id: string; state: JobState }>(sql`
    SELECT id, state FROM jobs WHERE folder_id = ${folderId} AND kind = 'folder.purge'
    ORDER BY created_at DESC LIMIT 1`);
  return rows[0] ?? null;
}
