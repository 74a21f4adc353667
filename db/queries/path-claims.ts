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

/**
 * Tells whether another job holds one of the paths, something above or something below; takes no lock. Costs the number of
 * wanted and held paths times their depth. `IS TRUE` keeps the looks into `held` and `wanted` hashed: as joins they would
 * be planned as loops over each other, for the statistics of a table that is mostly empty promise a row or two.
 */
export async function isAnyPathHeld(db: Executor, claim: PathClaim): Promise<boolean> {
  const rows = await db.execute(sql`
    WITH wanted AS MATERIALIZED (
      SELECT jsonb_array_elements_text(${JSON.stringify(claim.paths)}::jsonb) AS path
    ), held AS MATERIALIZED (
      SELECT path FROM path_claims WHERE folder_id = ${claim.folderId} AND job_id <> ${claim.jobId}
    )
    SELECT 1
    FROM (SELECT string_to_array(path, '/') AS parts FROM wanted) AS w, generate_series(1, cardinality(parts)) AS depth
    WHERE (array_to_string(parts[:depth], '/') IN (SELECT path FROM held)) IS TRUE
    UNION ALL
    SELECT 1
    FROM (SELECT string_to_array(path, '/') AS parts FROM held) AS h, generate_series(1, cardinality(parts) - 1) AS depth
    WHERE (array_to_string(parts[:depth], '/') IN (SELECT path FROM wanted)) IS TRUE
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
 * tree: the entries are out of `data`, their usage is not yet moved. The marker cannot be a path: it starts with `//`. A
 * job that has accounted for them, or ended, gets no marker: nobody would take it away again.
 * @returns whether the job had not begun. If it had, it may have missed entries; the caller then has the tree counted
 */
export async function retireClaims(
  tx: Executor,
  claim: { readonly folderId: string; readonly jobId: string },
): Promise<boolean> {
  const { folderId, jobId } = claim;
  const rows = await tx.execute<{ waiting: boolean; accounting: boolean }>(sql`
    SELECT started_at IS NULL AS waiting, state IN ('queued', 'running') AND checkpoint IS NULL AS accounting
    FROM jobs WHERE id = ${jobId} FOR NO KEY UPDATE`);
  const isWaiting = rows[0]?.waiting === true;
  // What moved after the job let go of the claims was seen by measurements in half.
  if (!isWaiting)
    await tx.execute(sql`UPDATE folders SET mutation_seq = mutation_seq + 1 WHERE id = ${folderId}`);
  await releaseClaims(tx, jobId);
  if (rows[0]?.accounting === true) await tx.insert(pathClaims).values({ ...claim, path: `//${jobId}` });
  return isWaiting;
}

/** Tells whether a job holds claims, retired ones included. */
export async function holdsClaims(tx: Executor, jobId: string): Promise<boolean> {
  const rows = await tx.select().from(pathClaims).where(eq(pathClaims.jobId, jobId)).limit(1);
  return rows.length > 0;
}

/** Lets go of every claim of a job. Safe to repeat. */
export async function releaseClaims(tx: Executor, jobId: string): Promise<void> {
  await tx.delete(pathClaims).where(eq(pathClaims.jobId, jobId));
}
