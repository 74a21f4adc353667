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
 * The jobs of `wanted` (a job and a path it wants) that cannot have all they want for what is `held` by another job: the same
 * path, or something above or below it. Costs the number of paths times their depth. `IS TRUE` keeps the looks into `held` and
 * `wanted` hashed: as joins they would be planned as loops over each other, for the statistics of a table that is
 * mostly empty promise a row or two. They are grouped because of the number that is expected then: a UNION is taken to answer
 * tens of thousands, for which two hash tables of nearly a megabyte were made and cleared at every run. No path is held twice,
 * nor wanted by two.
 */
const blocked = fragment`
    SELECT job FROM (
      SELECT job
      FROM (SELECT job, string_to_array(path, '/') AS parts FROM wanted) AS w, generate_series(1, cardinality(parts)) AS depth
      WHERE (array_to_string(parts[:depth], '/') IN (SELECT path FROM held)) IS TRUE
        AND ((array_to_string(parts[:depth], '/'), job) IN (SELECT path, job FROM held)) IS NOT TRUE
      UNION ALL
      SELECT job FROM wanted WHERE (path IN (
        SELECT array_to_string(parts[:depth], '/')
        FROM (SELECT job, string_to_array(path, '/') AS parts FROM held) AS h, generate_series(1, cardinality(parts) - 1) AS depth
        WHERE (array_to_string(parts[:depth], '/') IN (SELECT path FROM wanted)) IS TRUE
          AND ((array_to_string(parts[:depth], '/'), job) IN (SELECT path, job FROM wanted)) IS NOT TRUE
      )) IS TRUE
    ) AS blocked_jobs GROUP BY job`;

/** Tells whether another job holds one of the paths, something above or something below; takes no lock. */
export async function isAnyPathHeld(db: Executor, claim: PathClaim): Promise<boolean> {
  const { folderId, jobId, paths } = claim;
  const rows = await db.execute(statement`
    WITH wanted AS MATERIALIZED (
      SELECT ${jobId}::uuid AS job, jsonb_array_elements_text(${JSON.stringify(paths)}::jsonb) AS path
    ), held AS MATERIALIZED (
      SELECT path, job_id AS job FROM path_claims WHERE folder_id = ${folderId} AND job_id <> ${jobId}
    ) ${blocked} LIMIT 1`);
  return rows.length > 0;
}

/**
 * Claims paths for a job: nobody else changes them, anything above or anything below them until the job lets go. Takes
 * the folder's row lock for the length of the transaction, which serialises claimants of one folder; index
 * `path_claims_pkey` keeps the look for overlaps to this folder's few live claims. Repeating it for the same job is a no-op.
 */
export async function claimPaths(tx: Executor, { folderId, ...wanted }: PathClaim): Promise<ClaimOutcome> {
  const folder = await tx.execute(statement`
    UPDATE folders SET mutation_seq = mutation_seq + 1
    WHERE id = ${folderId} AND state = 'active' RETURNING id`);
  if (folder.length === 0) return 'folder_gone';
  const busy = await insertFreeClaims(tx, folderId, [wanted]);
  return busy.size === 0 ? 'claimed' : 'busy';
}

/** The paths a job is about to change, in a folder that is known. */
type WantedPaths = Omit<PathClaim, 'folderId'>;

/**
 * Claims for each job all of its paths or none. Needs the folder's row lock from an earlier statement: this one has to see what
 * the last claimant left. What the jobs want must not overlap. @returns the jobs that another one is in the way of
 */
export async function insertFreeClaims(
  tx: Executor,
  folderId: string,
  wanted: readonly WantedPaths[],
): Promise<ReadonlySet<string>> {
  const asked = JSON.stringify(
    wanted.flatMap(({ jobId, paths }) => paths.map((path) => ({ job: jobId, path }))),
  );
  const rows = await tx.execute<{ job: string }>(statement`
    WITH wanted AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${asked}::jsonb) AS asked(job uuid, path text)
    ), held AS MATERIALIZED (
      SELECT path, job_id AS job FROM path_claims WHERE folder_id = ${folderId}
    ), busy AS MATERIALIZED (${blocked}
    ), claimed AS (
      INSERT INTO path_claims (folder_id, path, job_id)
      SELECT ${folderId}, path, job FROM wanted WHERE (job IN (SELECT job FROM busy)) IS NOT TRUE
      ON CONFLICT DO NOTHING
    )
    SELECT job FROM busy`);
  return new Set(rows.map(({ job }) => job));
}

/** What a job finds that is about to change a folder. */
export interface FolderHold {
  /** The claim of the job holds. */
  readonly isHeld: boolean;
  /** What the actor may do in the folder; `null` for a stranger and for a deleted folder. */
  readonly member: { readonly permission: Permission; readonly isOwner: boolean } | null;
}

/** A running job that is about to change a folder, and for whom. */
export interface FolderClaimant {
  readonly claim: Claim;
  readonly actorId: string | null;
}

/**
 * The first half of {@link claimPaths} for jobs that run, together with the look at their fences and at the right of their
 * actors: locks the rows of jobs whose claims hold, in the order of their ids, then the folder's, for the length of the transaction.
 * @returns whether there is an active folder, and what each job finds, in the order of `claimants`
 */
export async function holdFolder(
  tx: Executor,
  folderId: string,
  claimants: readonly FolderClaimant[],
): Promise<{ readonly isActive: boolean; readonly holds: readonly FolderHold[] }> {
  const asked = JSON.stringify(claimants.map(({ claim, actorId }) => ({ ...claim, actor: actorId })));
  const rows = await tx.execute<{
    isHeld: boolean;
    isActive: boolean;
    permission: Permission | null;
    isOwner: boolean | null;
  }>(statement`
    WITH asked AS MATERIALIZED (
      SELECT * FROM ROWS FROM (jsonb_to_recordset(${asked}::jsonb) AS (id uuid, fence bigint, actor uuid))
        WITH ORDINALITY AS given(id, fence, actor, place)
    ), held AS MATERIALIZED (
      SELECT jobs.id FROM jobs JOIN asked ON asked.id = jobs.id AND asked.fence = jobs.fence
      WHERE jobs.id = ANY(ARRAY(SELECT id FROM asked)) AND (state = 'running') IS TRUE
      ORDER BY jobs.id FOR NO KEY UPDATE OF jobs
    ), folder AS (
      UPDATE folders SET mutation_seq = mutation_seq + 1
      WHERE folders.id = ${folderId} AND folders.state = 'active' AND (SELECT count(*) FROM held) > 0 RETURNING folders.id
    )
    SELECT held.id IS NOT NULL AS "isHeld", EXISTS (SELECT FROM folder) AS "isActive",
      members.permission, members.is_owner AS "isOwner"
    FROM asked LEFT JOIN held ON held.id = asked.id
      LEFT JOIN members ON folder_id = ${folderId} AND user_id = asked.actor
    ORDER BY place`);
  const holds = rows.map(({ isHeld, permission, isOwner }) => ({
    isHeld,
    member: permission === null || isOwner === null ? null : { permission, isOwner },
  }));
  return { isActive: rows[0]?.isActive === true, holds };
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
