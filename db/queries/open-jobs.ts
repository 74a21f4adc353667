import { sql } from 'drizzle-orm';
import type { JobKind } from '../../domain/job.ts';
import type { Executor } from '../client.ts';

/** Tells whether an unfinished job of `kind` works on the folder; index `jobs_folder_open_idx`. */
export async function hasOpenJob(
  db: Executor,
  job: { readonly folderId: string; readonly kind: JobKind },
): Promise<boolean> {
  const rows = await db.execute(sql`
    SELECT 1 FROM jobs
    WHERE folder_id = ${job.folderId} AND kind = ${job.kind} AND state IN ('queued', 'running') LIMIT 1`);
  return rows.length > 0;
}
