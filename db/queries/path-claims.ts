import { eq, sql } from 'drizzle-orm';
import type { Permission } from '../../domain/permission.ts';
import type { Executor } from '../client.ts';
import { pathClaims } from '../schema/path-claims.ts';
import { fragment, statement } from '../statement.ts';
import type { Claim } from './job-lease.ts';

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
 * `wanted` and `held` paths that overlap: one holds the other, or something above or below it. Costs their number times
 * their depth. `IS TRUE` keeps the looks into `held` and `wanted` hashed: as joins they would be planned as loops over each
 * other, for the statistics of a table that is mostly empty promise a row or two.
 */
const overlap = fragment`
    SELECT 1
    FROM (SELECT string_to_array(path, '/') AS parts FROM wanted) AS w, generate_series(1, cardinality(parts)) AS depth
    WHERE (array_to_string(parts[:depth], '/') IN (SELECT path FROM held)) IS TRUE
    UNION ALL
    SELECT 1
    FROM (SELECT string_to_array(path, '/') AS parts FROM held) AS h, generate_series(1, cardinality(parts) - 1) AS depth
    WHERE (array_to_string(parts[:depth], '/') IN (SELECT path FROM wanted)) IS TRUE
    LIMIT 1`;

/** Tells whether another job holds one of the paths, something above or something below; takes no lock. */
export async function isAnyPathHeld(db: Executor, claim: PathClaim): Promise<boolean> {
  const rows = await db.execute(statement`
    WITH wanted AS MATERIALIZED (
      SELECT jsonb_array_elements_text(${JSON.stringify(claim.paths)}::jsonb) AS path
    ), held AS MATERIALIZED (
      SELECT path FROM path_claims WHERE folder_id = ${claim.folderId} AND job_id <> ${claim.jobId}
    ) ${overlap}`);
  return rows.length > 0;
}

/**
 * Claims paths for a job: nobody else changes them, anything above or anything below them until the job lets go. Takes
 * the folder's row lock for the length of the transaction, which serialises claimants of one folder; index
 * `path_claims_pkey` keeps the look for overlaps to this folder's few live claims. Repeating it for the same job is a no-op.
 */
export async function claimPaths(tx: Executor, claim: PathClaim): Promise<ClaimOutcome> {
  const folder = await tx.execute(statement`
    UPDATE folders SET mutation_seq = mutation_seq + 1
    WHERE id = ${claim.folderId} AND state = 'active' RETURNING id`);
  return folder.length === 0 ? 'folder_gone' : insertFreeClaims(tx, claim);
}

/** Needs the folder's row lock from an earlier statement: this one has to see what the last claimant left. */
async function insertFreeClaims(tx: Executor, claim: PathClaim): Promise<'claimed' | 'busy'> {
  const [row] = await tx.execute<{ isBusy: boolean }>(statement`
    WITH wanted AS MATERIALIZED (
      SELECT jsonb_array_elements_text(${JSON.stringify(claim.paths)}::jsonb) AS path
    ), held AS MATERIALIZED (
      SELECT path FROM path_claims WHERE folder_id = ${claim.folderId} AND job_id <> ${claim.jobId}
    ), busy AS MATERIALIZED (${overlap}
    ), claimed AS (
      INSERT INTO path_claims (folder_id, path, job_id)
      SELECT ${claim.folderId}, path, ${claim.jobId} FROM wanted WHERE NOT EXISTS (SELECT FROM busy)
      ON CONFLICT DO NOTHING
    )
    SELECT EXISTS (SELECT FROM busy) AS "isBusy"`);
  return row?.isBusy === false ? 'claimed' : 'busy';
}

/** What a job finds that is about to change a folder. */
export interface FolderHold {
  /** The claim of the job holds; else nothing is locked. */
  readonly isHeld: boolean;
  /** What the actor may do in the folder; `null` for a stranger and for a deleted folder. */
  readonly member: { readonly permission: Permission; readonly isOwner: boolean } | null;
  /** Takes the paths. The folder's row is locked. */
  claim(): Promise<ClaimOutcome>;
}

/**
 * The first half of {@link claimPaths} for a job that runs, together with the look at its fence and at the right of its
 * actor: locks the job's row, then the folder's, for the length of the transaction.
 */
export async function holdFolder(
  tx: Executor,
  wanted: { readonly claim: Claim; readonly actorId: string | null; readonly path: PathClaim },
): Promise<FolderHold> {
  const { claim, actorId, path } = wanted;
  const [row] = await tx.execute<{
    isHeld: boolean;
    isActive: boolean;
    permission: Permission | null;
    isOwner: boolean | null;
  }>(statement`
    WITH held AS (
      UPDATE jobs SET fence = fence WHERE id = ${claim.id} AND fence = ${claim.fence} AND state = 'running' RETURNING id
    ), folder AS (
      UPDATE folders SET mutation_seq = mutation_seq + 1
      FROM held WHERE folders.id = ${path.folderId} AND folders.state = 'active' RETURNING folders.id
    )
    SELECT EXISTS (SELECT FROM held) AS "isHeld", EXISTS (SELECT FROM folder) AS "isActive",
      members.permission, members.is_owner AS "isOwner"
    FROM (VALUES (1)) AS one LEFT JOIN members ON folder_id = ${path.folderId} AND user_id = ${actorId}`);
  const { permission = null, isOwner = null } = row ?? {};
  return {
    isHeld: row?.isHeld === true,
    member: permission === null || isOwner === null ? null : { permission, isOwner },
    claim: async () => (row?.isActive === true ? insertFreeClaims(tx, path) : 'folder_gone'),
  };
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
