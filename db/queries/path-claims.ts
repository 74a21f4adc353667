import { eq, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { pathClaims } from '../schema/path-claims.ts';

const retiredPrefix = '//';

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

/** An entry that a delete takes out of view, and the slot of the trash it goes to. */
export interface ClaimedEntry {
  readonly path: string;
  readonly slot: number;
  readonly identity: string;
}

/** Notes on the claims of a job which entries they mean. */
export async function noteClaimedEntries(
  tx: Executor,
  claim: { readonly folderId: string; readonly jobId: string; readonly entries: readonly ClaimedEntry[] },
): Promise<void> {
  await tx.execute(sql`
    UPDATE path_claims SET slot = entry.slot, identity = entry.identity
    FROM jsonb_to_recordset(${JSON.stringify(claim.entries)}::jsonb) AS entry(path text, slot int, identity text)
    WHERE folder_id = ${claim.folderId} AND path_claims.path = entry.path AND job_id = ${claim.jobId}`);
}

/**
 * What the claims of a job are for; `null` when they are retired or gone, and with them every right to touch a path.
 * Index `path_claims_job_idx`.
 */
export async function findClaimedEntries(db: Executor, jobId: string): Promise<ClaimedEntry[] | null> {
  const rows = await db
    .select({ path: pathClaims.path, slot: pathClaims.slot, identity: pathClaims.identity })
    .from(pathClaims)
    .where(eq(pathClaims.jobId, jobId));
  const live = rows.filter(({ path }) => !path.startsWith(retiredPrefix));
  if (live.length === 0) return null;
  const entries = live.flatMap(({ path, slot, identity }) =>
    slot === null || identity === null ? [] : [{ path, slot, identity }],
  );
  return entries.toSorted((a, b) => a.slot - b.slot);
}

/**
 * Trades a job's claims for one that blocks no path but still tells a measurement that the accounting lags behind the
 * tree: the entries are out of `data`, their usage is not yet moved. The marker cannot be a path: it starts with `//`.
 * @returns false when the job has begun: the claims are its own then, and nothing is changed
 */
export async function retireClaims(
  tx: Executor,
  claim: { readonly folderId: string; readonly jobId: string },
): Promise<boolean> {
  const { jobId } = claim;
  const rows = await tx.execute(sql`
    SELECT 1 FROM jobs WHERE id = ${jobId} AND started_at IS NULL FOR NO KEY UPDATE`);
  if (rows.length === 0) return false;
  await releaseClaims(tx, jobId);
  await tx.insert(pathClaims).values({ ...claim, path: `${retiredPrefix}${jobId}` });
  return true;
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
