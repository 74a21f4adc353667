import { and, eq, sql } from 'drizzle-orm';
import type { JobKind, JobProgress, JobState } from '../../domain/job.ts';
import type { Executor } from '../client.ts';
import { jobs } from '../schema/jobs.ts';
import { fragment, statement } from '../statement.ts';
import { type DispatchRow, inMs } from './jobs.ts';

/** A row its claimer owns until the lease ends. `payload` is not yet checked. */
export interface ClaimedJob {
  readonly id: string;
  readonly kind: JobKind;
  readonly volume: string;
  readonly folderId: string | null;
  readonly actorId: string | null;
  readonly payload: unknown;
  readonly checkpoint: unknown;
  readonly attempt: number;
  readonly attemptsMax: number;
  readonly isCancelRequested: boolean;
  /** Not yet checked. */
  readonly traceparent: string | null;
  /** How long the job has waited, when this is its first run. */
  readonly waitedMs: number | null;
  /** Names this claim; every later write carries it. */
  readonly fence: number;
}

/** Who writes: a claim of a job. */
export interface Claim {
  readonly id: string;
  readonly fence: number;
}

/** How a job ends. `detail` is for its owner and never holds a path of the server, SQL or a secret. */
export type JobEnd =
  | {
      readonly state: 'succeeded';
      readonly result: unknown;
      /** Reported last and not yet written. */
      readonly progress?: JobProgress | undefined;
    }
  | { readonly state: 'failed'; readonly code: string; readonly detail: string }
  | { readonly state: 'cancelled' };

const held = (claim: Claim) =>
  and(eq(jobs.id, claim.id), eq(jobs.fence, claim.fence), eq(jobs.state, 'running'));

/** Work that would change a read-only volume is not; what is to be cancelled is, for that touches the database only. */
const claimable = fragment`(
      (state = 'queued' AND (fence = handed."handedFence" OR next_dispatch_at <= now()))
      OR (state = 'running' AND lease_until < now())) IS TRUE
      AND (cancel_requested_at IS NOT NULL OR jsonb_exists(given.readers, kind)
        OR volume <> ALL(ARRAY(SELECT v.name FROM volumes AS v WHERE v.state = 'read_only')))`;

/** Takes the rows of `asked`, which are locked, with what is `given`. */
const takeAsked = fragment`
    UPDATE jobs
    SET state = 'running', fence = fence + 1, attempt = attempt + CASE state WHEN 'running' THEN 1 ELSE 0 END,
      lease_until = now() + (given.leases->>kind)::double precision * interval '1 millisecond',
      next_dispatch_at = now() + (given.leases->>kind)::double precision * interval '1 millisecond',
      lease_owner = given.owner, dispatch_count = 0, started_at = coalesce(started_at, now())
    FROM given, handed JOIN asked ON asked.id = handed.id
    WHERE jobs.id = handed.id AND jobs.id = ANY(ARRAY(SELECT id FROM asked)) AND ${claimable}
    RETURNING jobs.id, kind, volume, folder_id AS "folderId", actor_id AS "actorId", payload, checkpoint, attempt,
      attempts_max AS "attemptsMax", cancel_requested_at IS NOT NULL AS "isCancelRequested", traceparent,
      CASE WHEN started_at = now() THEN (extract(epoch FROM now() - created_at) * 1000)::double precision END AS "waitedMs",
      fence`;

/** Who claims jobs, and for how long by kind, in milliseconds. */
export interface Claimant {
  readonly owner: string;
  readonly leases: Readonly<Record<string, number>>;
  /** What may be claimed on a volume that is read-only. */
  readonly readingKinds: readonly JobKind[];
}

/** A job as it was handed over. */
export interface HandedRow {
  readonly id: string;
  /** What the row's fence was then. */
  readonly handedFence: number;
}

/** What comes of claiming several jobs at once. */
export interface JobClaims {
  readonly claimed: readonly ClaimedJob[];
  /** Free to be claimed, but locked by somebody at this moment. */
  readonly locked: readonly string[];
}

/**
 * Takes those of `handed` that are queued, or running with a lease that ended: such a run is lost and counts as an attempt. The
 * lease is on the database clock; the reconciler looks at the row again when it ends. A queued one that waits for its next
 * attempt is left alone by a delivery that was handed over before its last claim. Locked rows are not waited for, so that nobody
 * waits for somebody else's.
 */
export async function claimJobs(
  db: Executor,
  handed: readonly HandedRow[],
  { owner, leases, readingKinds }: Claimant,
): Promise<JobClaims> {
  const rows = await db.execute<ClaimedRow & { readonly freeId: string }>(statement`
    WITH given AS (SELECT ${JSON.stringify(leases)}::jsonb AS leases, ${owner}::text AS owner,
      ${JSON.stringify(readingKinds)}::jsonb AS readers), handed AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(handed)}::jsonb) AS handed(id uuid, "handedFence" bigint)
    ), free AS MATERIALIZED (
      SELECT jobs.id FROM given, jobs JOIN handed ON handed.id = jobs.id
      WHERE jobs.id = ANY(ARRAY(SELECT id FROM handed)) AND ${claimable}
    ), asked AS MATERIALIZED (
      SELECT id FROM jobs WHERE id = ANY(ARRAY(SELECT id FROM free)) FOR NO KEY UPDATE SKIP LOCKED
    ), taken AS (${takeAsked})
    SELECT free.id AS "freeId", taken.* FROM free LEFT JOIN taken ON taken.id = free.id`);
  return {
    claimed: rows.filter(({ id }) => id !== null).map(({ freeId: _freeId, ...row }) => claimedJob(row)),
    locked: rows.filter(({ id }) => id === null).map(({ freeId }) => freeId),
  };
}

/**
 * As {@link claimJobs} for one job, whose row is waited for.
 * @returns `null` when the job is unknown, finished, somebody else's, not due or held up by its volume
 */
export async function claimJob(
  db: Executor,
  handed: HandedRow,
  { owner, leases, readingKinds }: Claimant,
): Promise<ClaimedJob | null> {
  const [row] = await db.execute<ClaimedRow>(statement`
    WITH given AS (SELECT ${JSON.stringify(leases)}::jsonb AS leases, ${owner}::text AS owner,
      ${JSON.stringify(readingKinds)}::jsonb AS readers), handed AS (
      SELECT ${handed.id}::uuid AS id, ${handed.handedFence}::bigint AS "handedFence"
    ), asked AS (SELECT id FROM handed) ${takeAsked}`);
  return row === undefined ? null : claimedJob(row);
}

function claimedJob(row: ClaimedRow): ClaimedJob {
  return { ...row, fence: Number(row.fence) };
}

interface ClaimedRow extends Omit<ClaimedJob, 'fence'>, Record<string, unknown> {
  readonly fence: string;
}

/** Extends the lease and notes progress. @returns whether the owner wants the job cancelled; `null` when the claim is lost */
export async function renewLease(
  db: Executor,
  claim: Claim & { readonly leaseMs: number; readonly progress: JobProgress | undefined },
): Promise<{ readonly isCancelRequested: boolean } | null> {
  const leaseEnd = inMs(claim.leaseMs);
  const rows = await db
    .update(jobs)
    .set({
      leaseUntil: leaseEnd,
      nextDispatchAt: leaseEnd,
      ...(claim.progress === undefined ? {} : { progress: claim.progress }),
    })
    .where(held(claim))
    .returning({ cancelRequestedAt: jobs.cancelRequestedAt });
  const row = rows[0];
  return row === undefined ? null : { isCancelRequested: row.cancelRequestedAt !== null };
}

/**
 * Locks the row for the rest of the transaction if the claim still holds, and saves `checkpoint` when it is not
 * `undefined`. @returns whether it holds
 */
export async function holdClaim(
  tx: Executor,
  claim: Claim & { readonly checkpoint: unknown },
): Promise<boolean> {
  const { id, fence, checkpoint } = claim;
  const rows =
    checkpoint === undefined
      ? await tx.execute(statement`
          UPDATE jobs SET fence = fence WHERE id = ${id} AND fence = ${fence} AND state = 'running' RETURNING id`)
      : await tx.execute(statement`
          UPDATE jobs SET checkpoint = ${toJson(checkpoint)}::jsonb
          WHERE id = ${id} AND fence = ${fence} AND state = 'running' RETURNING id`);
  return rows.length === 1;
}

/**
 * Locks the jobs of `ends` whose claims hold, in the order of their ids; the statement has this as `held`. Here and wherever rows are
 * named by their ids, `IS TRUE` keeps the look off the indexes of open rows: while some transaction lasts, those keep what has ended.
 */
export const heldEnds = fragment`
      SELECT jobs.id FROM jobs JOIN ends ON ends.id = jobs.id AND ends.fence = jobs.fence
      WHERE jobs.id = ANY(ARRAY(SELECT id FROM ends)) AND (state = 'running') IS TRUE
      ORDER BY jobs.id FOR NO KEY UPDATE OF jobs`;

/**
 * Ends the jobs of `ends` as succeeded, whose columns are {@link endColumns}, if their claims are `held`. A part of statements
 * that do more with the end. @returns their ids
 */
export const endSucceeded = fragment`
      UPDATE jobs
      SET state = 'succeeded', finished_at = now(), lease_until = NULL, checkpoint = NULL, result = ends.result,
        progress = coalesce(ends.progress, jobs.progress), error_code = NULL, error_detail = NULL
      FROM held JOIN ends ON ends.id = held.id WHERE jobs.id = held.id
      RETURNING jobs.id`;

/** The columns of `ends`, for `jsonb_to_recordset`. */
export const endColumns = fragment`id uuid, fence bigint, result jsonb, progress jsonb`;

/** A job that ends as succeeded, as `ends` names it. */
export interface SuccessfulEnd extends Claim {
  readonly result: unknown;
  /** Reported last and not yet written. */
  readonly progress?: JobProgress | undefined;
}

/** Ends a job for good. @returns whether the claim still held; if not, nothing is written */
export async function finishJob(tx: Executor, claim: Claim & { readonly end: JobEnd }): Promise<boolean> {
  const { id, fence, end } = claim;
  if (end.state === 'succeeded') {
    const ends = JSON.stringify([{ id, fence, result: end.result, progress: end.progress }]);
    const rows = await tx.execute(statement`
      WITH ends AS (SELECT * FROM jsonb_to_recordset(${ends}::jsonb) AS given(${endColumns})),
        held AS MATERIALIZED (${heldEnds}) ${endSucceeded}`);
    return rows.length === 1;
  }
  const { code, detail } = end.state === 'failed' ? end : { code: null, detail: null };
  // A job that ended without success may be given another go, which has to know what was done already.
  const rows = await tx.execute(statement`
    UPDATE jobs
    SET state = ${end.state}, finished_at = now(), lease_until = NULL, result = NULL, error_code = ${code},
      error_detail = ${detail}
    WHERE id = ${id} AND fence = ${fence} AND state = 'running'
    RETURNING id`);
  return rows.length === 1;
}

function toJson(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value);
}

/**
 * Gives a job back to the queue, due in `delayMs`. @param error set when the run failed: it counts as an attempt
 * @returns whether the claim still held
 */
export async function requeueJob(
  db: Executor,
  claim: Claim & {
    readonly delayMs: number;
    readonly error?: { readonly code: string; readonly detail: string };
  },
): Promise<boolean> {
  const { error } = claim;
  const rows = await db
    .update(jobs)
    .set({
      state: 'queued',
      leaseUntil: null,
      nextDispatchAt: inMs(claim.delayMs),
      ...(error === undefined
        ? {}
        : { attempt: sql`attempt + 1`, errorCode: error.code, errorDetail: error.detail }),
    })
    .where(held(claim))
    .returning({ id: jobs.id });
  return rows.length === 1;
}

/** Where a claim stands; for those who lost the answer to a commit. */
export async function findClaimState(
  db: Executor,
  claim: Claim,
): Promise<{ readonly state: JobState; readonly isHeld: boolean } | null> {
  const rows = await db
    .select({ state: jobs.state, fence: jobs.fence })
    .from(jobs)
    .where(eq(jobs.id, claim.id));
  const row = rows[0];
  return row === undefined ? null : { state: row.state, isHeld: row.fence === claim.fence };
}

/**
 * Takes up to `limit` rows that have to be handed to a queue: waiting ones that nobody claimed in time, and running
 * ones whose lease ended. Each is due again later and later (`firstMs` doubling up to `maxMs`) until somebody claims
 * it; what a read-only volume holds up is left until it is active. Several processes may ask at once and get different rows.
 * Uses `jobs_due_idx`.
 */
export async function takeDueJobs(
  db: Executor,
  query: {
    readonly limit: number;
    readonly firstMs: number;
    readonly maxMs: number;
    readonly readingKinds: readonly JobKind[];
  },
): Promise<DispatchRow[]> {
  const { limit, firstMs, maxMs } = query;
  const readers = JSON.stringify(query.readingKinds);
  return await db
    .update(jobs)
    .set({
      nextDispatchAt: sql`now() + least(${firstMs}::double precision * power(2, least(dispatch_count, 16)), ${maxMs}::double precision)
        * interval '1 millisecond'`,
      dispatchCount: sql`dispatch_count + 1`,
    })
    .where(
      // An array is computed once; `IN (SELECT … LIMIT)` may be run again for every row and then takes too many.
      sql`id = ANY(ARRAY(SELECT j.id FROM jobs AS j WHERE j.state IN ('queued', 'running') AND j.next_dispatch_at <= now()
        AND (j.cancel_requested_at IS NOT NULL OR jsonb_exists(${readers}::jsonb, j.kind)
          OR j.volume <> ALL(ARRAY(SELECT v.name FROM volumes AS v WHERE v.state = 'read_only')))
        ORDER BY j.next_dispatch_at LIMIT ${limit} FOR UPDATE SKIP LOCKED))`,
    )
    .returning({
      id: jobs.id,
      kind: jobs.kind,
      volume: jobs.volume,
      priority: jobs.priority,
      fence: jobs.fence,
    });
}

/** Makes rows that a queue did not accept due again in `delayMs`, as if they had not been taken. */
export async function putBackDueJobs(
  db: Executor,
  rows: { readonly jobIds: readonly string[]; readonly delayMs: number },
): Promise<void> {
  await db.execute(sql`
    WITH refused AS MATERIALIZED (
      SELECT id FROM jobs
      WHERE id IN (SELECT jsonb_array_elements_text(${JSON.stringify(rows.jobIds)}::jsonb)::uuid) AND state = 'queued'
      ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE jobs SET next_dispatch_at = ${inMs(rows.delayMs)}, dispatch_count = greatest(dispatch_count - 1, 0)
    FROM refused WHERE jobs.id = refused.id`);
}
