import { eq, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { pathClaims } from '../schema/path-claims.ts';

/** What came of asking for claims. */
export type ClaimOutcome = 'claimed' | 'busy' | 'folder_gone';

/** The paths a job is about to change. */
export interface PathClaim {
  readonly folderId: string;
  readonly jobId: string;
  readonly paths: readonly string[];
}

/** Tells whether another job holds one of the paths, something above or something below; takes no lock. */
export async function isAnyPathHeld(db: Executor, claim: PathClaim): Promise<boolean> {
  const rows = await db.execute(sql`
    SELECT 1 FROM path_claims held, jsonb_array_elements_text(${JSON.stringify(claim.paths)}::jsonb) AS wanted(path)
    WHERE held.folder_id = ${claim.folderId} AND held.job_id <> ${claim.jobId}
      AND (held.path = wanted.path
        OR starts_with(held.path, wanted.path || '/')
        OR starts_with(wanted.path, held.path || '/'))
    LIMIT 1`);
  return rows.length > 0;
}

/**
 * Claims paths for a job: nobody else changes them, anything above or anything below them until the job lets go. Takes
 * the folder's row lock for the length of the transaction, which serialises claimants of one folder; index
 * `path_claims_pkey` keeps the look for overlaps to this folder's few live claims. Repeating it for the same job is a no-op.
 */
export async function claimPaths(tx: Executor, claim: PathClaim): Promise<ClaimOutcome> {
  const folder = await tx.execute(sql`
    UPDATE folders SET mutation_seq = mutation_seq + 1
    WHERE id = ${claim.folderId} AND state = 'active' RETURNING id`);
  if (folder.length === 0) return 'folder_gone';
  if (await isAnyPathHeld(tx, claim)) return 'busy';
  await tx.execute(sql`
    INSERT INTO path_claims (folder_id, path, job_id)
    SELECT ${claim.folderId}, wanted.path, ${claim.jobId}
    FROM jsonb_array_elements_text(${JSON.stringify(claim.paths)}::jsonb) AS wanted(path)
    ON CONFLICT DO NOTHING`);
  return 'claimed';
}

/**
 * Trades a job's claims for one that blocks no path but still tells a measurement that the accounting lags behind the
 * tree: the entries are out of `data`, their usage is not yet moved. The marker cannot be a path: it starts with `//`.
 */
export async function retireClaims(tx: Executor, claim: { folderId: string; jobId: string }): Promise<void> {
  await releaseClaims(tx, claim.jobId);
  await tx.insert(pathClaims).values({ ...claim, path: `//${claim.jobId}` });
}

/** Lets go of every claim of a job. Safe to repeat. */
export async function releaseClaims(tx: Executor, jobId: string): Promise<void> {
  await tx.delete(pathClaims).where(eq(pathClaims.jobId, jobId));
}
