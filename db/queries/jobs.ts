import { and, desc, eq, isNull, lt, sql } from 'drizzle-orm';
import type { JobKind, JobProgress, JobState } from '../../domain/job.ts';
import type { Executor } from '../client.ts';
import { jobs } from '../schema/jobs.ts';
import { statement } from '../statement.ts';

/** A job as its owner may see it. */
export interface JobRecord {
  readonly id: string;
  readonly kind: JobKind;
  readonly state: JobState;
  readonly folderId: string | null;
  readonly actorId: string | null;
  readonly progress: JobProgress | null;
  readonly result: unknown;
  readonly errorCode: string | null;
  readonly errorDetail: string | null;
  readonly attempt: number;
  readonly createdAt: Date;
  readonly startedAt: Date | null;
  readonly finishedAt: Date | null;
}

/** What it takes to hand a row to its queue. */
export interface DispatchRow {
  readonly id: string;
  readonly kind: JobKind;
  readonly volume: string;
  readonly priority: number;
  /** Claims so far. Whatever a queue still holds of an earlier one says nothing about this row. */
  readonly fence: number;
}

/** A row to insert. `dispatchInMs` is when the reconciler hands it to the queue if nobody has claimed it by then. */
export interface InsertJob {
  readonly id: string;
  readonly kind: JobKind;
  readonly payload: unknown;
  readonly volume: string;
  readonly folderId: string | null;
  readonly actorId: string | null;
  readonly attemptsMax: number;
  readonly dedupeKey: string | null;
  readonly traceparent: string | null;
  readonly dispatchInMs: number;
}

/** Open jobs of one actor are counted up to here for the priority; from then on all are equally late. */
export const priorityMax = 200;

const insertTriesMax = 5;

/** What a {@link JobRecord} is made of. */
export const recordColumns = {
  id: jobs.id,
  kind: jobs.kind,
  state: jobs.state,
  folderId: jobs.folderId,
  actorId: jobs.actorId,
  progress: jobs.progress,
  result: jobs.result,
  errorCode: jobs.errorCode,
  errorDetail: jobs.errorDetail,
  attempt: jobs.attempt,
  createdAt: jobs.createdAt,
  startedAt: jobs.startedAt,
  finishedAt: jobs.finishedAt,
};

const dispatchColumns = {
  id: jobs.id,
  kind: jobs.kind,
  volume: jobs.volume,
  priority: jobs.priority,
  fence: jobs.fence,
};

const isOpen = sql`state IN ('queued', 'running')`;

/** `milliseconds` from now on the database clock. */
export function inMs(milliseconds: number) {
  return sql`now() + ${milliseconds}::double precision * interval '1 millisecond'`;
}

/**
 * Inserts a job, unless an unfinished one has its dedupe key: then that one is answered. The look before the insert
 * keeps callers that hold a folder's lock from waiting for the worker that ends the other job and wants that lock.
 */
export async function insertJob(db: Executor, job: InsertJob): Promise<DispatchRow> {
  for (let tries = 0; tries < insertTriesMax; tries++) {
    const row = (await findDuplicate(db, job)) ?? (await tryInsert(db, job));
    if (row !== null) return row;
  }
  throw new Error(`The job with the key ${job.dedupeKey} comes and goes faster than it can be found.`);
}

/**
 * Inserts jobs that the service gives itself in bulk, in one statement, after everyone else's work; those whose dedupe
 * key an unfinished job has are left out. Not beside a folder's lock: it may wait for a worker that wants that.
 */
export async function insertJobs(db: Executor, rows: readonly InsertJob[]): Promise<DispatchRow[]> {
  if (rows.length === 0) return [];
  // Two that insert the same keys wait for each other at the same one.
  const sorted = rows.toSorted((a, b) => ((a.dedupeKey ?? '') < (b.dedupeKey ?? '') ? -1 : 1));
  return await db
    .insert(jobs)
    .values(
      sorted.map(({ dispatchInMs, ...values }) => ({
        ...values,
        priority: priorityMax,
        nextDispatchAt: inMs(dispatchInMs),
      })),
    )
    .onConflictDoNothing({ target: jobs.dedupeKey, where: isOpen })
    .returning(dispatchColumns);
}

async function findDuplicate(db: Executor, job: InsertJob): Promise<DispatchRow | null> {
  if (job.dedupeKey === null) return null;
  const rows = await db
    .select(dispatchColumns)
    .from(jobs)
    .where(and(eq(jobs.dedupeKey, job.dedupeKey), isOpen));
  return rows[0] ?? null;
}

async function tryInsert(db: Executor, job: InsertJob): Promise<DispatchRow | null> {
  const rows = await insertActorJobs(db, [job]);
  return rows[0] ?? null;
}

interface InsertedRow extends Omit<DispatchRow, 'fence'>, Record<string, unknown> {
  readonly fence: string;
}

/**
 * Inserts jobs in one statement, each with the priority of its actor: one with much unfinished work comes after those with less; uses
 * `jobs_actor_open_idx`. Those whose dedupe key an unfinished job has are left out.
 */
export async function insertActorJobs(db: Executor, rows: readonly InsertJob[]): Promise<DispatchRow[]> {
  const inserted = await db.execute<InsertedRow>(statement`
    WITH given AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS given(id uuid, kind text, payload jsonb, volume text,
        "folderId" uuid, "actorId" uuid, "attemptsMax" int, "dedupeKey" text, traceparent text, "dispatchInMs" double precision)
    ), outstanding AS MATERIALIZED (
      SELECT actor, (
        SELECT count(*) FROM (
          SELECT FROM jobs WHERE actor_id = actor AND state IN ('queued', 'running') LIMIT ${priorityMax}
        ) AS open_jobs
      ) AS jobs
      FROM (SELECT DISTINCT "actorId" AS actor FROM given) AS actors
    )
    INSERT INTO jobs (id, kind, payload, volume, folder_id, actor_id, attempts_max, dedupe_key, traceparent, priority, next_dispatch_at)
    SELECT id, kind, payload, volume, "folderId", "actorId", "attemptsMax", "dedupeKey", traceparent,
      coalesce(outstanding.jobs, 0), now() + "dispatchInMs" * interval '1 millisecond'
    FROM given LEFT JOIN outstanding ON actor = "actorId"
    ON CONFLICT (dedupe_key) WHERE state IN ('queued', 'running') DO NOTHING
    RETURNING id, kind, volume, priority, fence`);
  return inserted.map((row) => ({ ...row, fence: Number(row.fence) }));
}

/** Ends the hold of a queued row: the reconciler may have it in `dispatchInMs`. */
export async function releaseJob(
  db: Executor,
  job: { readonly jobId: string; readonly dispatchInMs: number },
): Promise<void> {
  await db
    .update(jobs)
    .set({ nextDispatchAt: inMs(job.dispatchInMs) })
    .where(and(eq(jobs.id, job.jobId), eq(jobs.state, 'queued')));
}

/** Puts off what happens to a held row if nobody releases it. @returns false when a worker has begun it */
export async function holdJob(
  db: Executor,
  job: { readonly jobId: string; readonly dispatchInMs: number },
): Promise<boolean> {
  const rows = await db
    .update(jobs)
    .set({ nextDispatchAt: inMs(job.dispatchInMs) })
    .where(and(eq(jobs.id, job.jobId), eq(jobs.state, 'queued'), isNull(jobs.startedAt)))
    .returning({ id: jobs.id });
  return rows.length === 1;
}

/**
 * One parameter for all ids, so that the text of a statement does not depend on how many there are. As an array they are looked
 * for in the index; a join with the list, which is taken for long, would read the whole of a table of some thousand rows.
 */
function isAmong(jobIds: readonly string[]) {
  return sql`id = ANY(ARRAY(SELECT jsonb_array_elements_text(${JSON.stringify(jobIds)}::jsonb)::uuid))`;
}

/** Reads the rows of `jobIds` that wait for a worker. */
export async function listDispatchRows(db: Executor, jobIds: readonly string[]): Promise<DispatchRow[]> {
  return await db
    .select(dispatchColumns)
    .from(jobs)
    .where(and(isAmong(jobIds), eq(jobs.state, 'queued')));
}

/** Those of `jobIds` that have ended. */
export async function listEndedJobIds(db: Executor, jobIds: readonly string[]): Promise<string[]> {
  const rows = await db
    .select({ id: jobs.id })
    .from(jobs)
    .where(and(isAmong(jobIds), sql`finished_at IS NOT NULL`));
  return rows.map((row) => row.id);
}

/** Those of `jobIds` that exist, in no order. */
export async function listJobsById(db: Executor, jobIds: readonly string[]): Promise<JobRecord[]> {
  return await db.select(recordColumns).from(jobs).where(isAmong(jobIds));
}

/** A job, if it is the actor's own; `actorId` null is for administrators and finds every job. */
export async function findJob(
  db: Executor,
  query: { readonly jobId: string; readonly actorId: string | null },
): Promise<JobRecord | null> {
  const rows = await db
    .select(recordColumns)
    .from(jobs)
    .where(and(eq(jobs.id, query.jobId), ownedBy(query.actorId)));
  return rows[0] ?? null;
}

/** Those of `jobIds` that exist. */
export async function listJobRecords(db: Executor, jobIds: readonly string[]): Promise<JobRecord[]> {
  return await db.select(recordColumns).from(jobs).where(isAmong(jobIds));
}

/**
 * Jobs of an actor (`null`: of all), newest first, those with ids below `cursor`; the last row's id is the next
 * cursor. Uses `jobs_actor_idx`.
 */
export async function listJobs(
  db: Executor,
  query: {
    readonly actorId: string | null;
    readonly state?: JobState | undefined;
    readonly cursor?: string | undefined;
    readonly limit: number;
  },
): Promise<JobRecord[]> {
  const { state, cursor } = query;
  return await db
    .select(recordColumns)
    .from(jobs)
    .where(
      and(
        ownedBy(query.actorId),
        state === undefined ? undefined : eq(jobs.state, state),
        cursor === undefined ? undefined : lt(jobs.id, cursor),
      ),
    )
    .orderBy(desc(jobs.id))
    .limit(query.limit);
}

function ownedBy(actorId: string | null) {
  return actorId === null ? undefined : eq(jobs.actorId, actorId);
}

/**
 * Marks an unfinished job as unwanted and most urgent: a worker ends it, without running it if it still waits.
 * @returns `null` when there is no such unfinished job
 */
export async function requestCancel(
  db: Executor,
  job: { readonly jobId: string; readonly dispatchInMs: number },
): Promise<(JobRecord & DispatchRow) | null> {
  const rows = await db
    .update(jobs)
    .set({
      cancelRequestedAt: sql`coalesce(cancel_requested_at, now())`,
      priority: 0,
      nextDispatchAt: sql`CASE state WHEN 'queued' THEN ${inMs(job.dispatchInMs)} ELSE next_dispatch_at END`,
    })
    .where(and(eq(jobs.id, job.jobId), isOpen))
    .returning({ ...recordColumns, ...dispatchColumns });
  return rows[0] ?? null;
}

/**
 * Deletes up to `limit` jobs that ended longer ago than `olderThanDays`, oldest first, except those whose archive can
 * still be downloaded, and those that somebody holds. Uses `jobs_finished_idx`. @returns how many; less than `limit` means that
 * none is left but these
 */
export async function deleteFinishedJobs(
  db: Executor,
  query: { readonly olderThanDays: number; readonly limit: number },
): Promise<number> {
  const rows = await db
    .delete(jobs)
    .where(
      sql`id = ANY(ARRAY(SELECT j.id FROM jobs AS j WHERE j.finished_at < now() - make_interval(days => ${query.olderThanDays})
        AND NOT EXISTS (SELECT 1 FROM archives AS a WHERE a.id = j.id) ORDER BY j.finished_at LIMIT ${query.limit}
        FOR UPDATE SKIP LOCKED))`,
    )
    .returning({ id: jobs.id });
  return rows.length;
}
