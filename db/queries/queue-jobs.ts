import { and, eq, sql } from 'drizzle-orm';
import type { JobKind, JobProgress } from '../../domain/job.ts';
import type { Executor } from '../client.ts';
import { jobs } from '../schema/jobs.ts';
import { type DispatchRow, inMs, type JobRecord } from './jobs.ts';

/** Where a job of a queue stands, in the words of queues. `completed` has the cancelled ones as well: nothing is to be done. */
export const queueJobStates = ['waiting', 'delayed', 'active', 'completed', 'failed'] as const;

/** One of {@link queueJobStates}. */
export type QueueJobState = (typeof queueJobStates)[number];

/** The jobs of a queue: kinds of work on one volume. */
export interface QueueScope {
  readonly kinds: readonly JobKind[];
  readonly volume: string;
}

/** A job as operators see it. */
export interface QueueJob extends JobRecord {
  readonly queueState: QueueJobState;
  readonly volume: string;
  readonly payload: unknown;
  readonly attemptsMax: number;
  readonly priority: number;
  readonly leaseOwner: string | null;
}

/** Jobs are counted up to here per state. */
export const queueCountMax = 10_000;
/** Of the jobs that ended, the latest so many (of all queues) are looked at. */
export const completedSeenMax = 5_000;

/** A queued job that has failed before waits for its next attempt. */
const queueState = sql<QueueJobState>`CASE
  WHEN state = 'queued' THEN CASE WHEN attempt > 0 THEN 'delayed' ELSE 'waiting' END
  WHEN state = 'running' THEN 'active'
  WHEN state = 'failed' THEN 'failed'
  ELSE 'completed' END`;

/** Each condition names a partial index: `jobs_due_idx`, `jobs_finished_idx`, `jobs_failed_idx`. */
function rowsOf(state: QueueJobState) {
  switch (state) {
    case 'waiting':
      return sql`jobs WHERE state IN ('queued', 'running') AND state = 'queued' AND attempt = 0`;
    case 'delayed':
      return sql`jobs WHERE state IN ('queued', 'running') AND state = 'queued' AND attempt > 0`;
    case 'active':
      return sql`jobs WHERE state IN ('queued', 'running') AND state = 'running'`;
    case 'failed':
      return sql`jobs WHERE state IN ('failed', 'cancelled') AND state = 'failed'`;
    case 'completed':
      return sql`(SELECT * FROM jobs WHERE finished_at IS NOT NULL ORDER BY finished_at DESC
        LIMIT ${completedSeenMax}) AS jobs WHERE state IN ('succeeded', 'cancelled')`;
  }
}

function inScope({ kinds, volume }: QueueScope) {
  return sql`volume = ${volume} AND kind IN (SELECT jsonb_array_elements_text(${JSON.stringify(kinds)}::jsonb))`;
}

/** How many jobs of a queue are in each state, up to {@link queueCountMax}; one statement, bounded whatever the history. */
export async function countQueueJobs(
  db: Executor,
  scope: QueueScope,
): Promise<Readonly<Record<QueueJobState, number>>> {
  const counts = queueJobStates.map(
    (state) => sql`(SELECT count(*)::int FROM (SELECT 1 FROM ${rowsOf(state)} AND ${inScope(scope)}
      LIMIT ${queueCountMax}) AS counted) AS ${sql.identifier(state)}`,
  );
  const [row] = await db.execute<Record<QueueJobState, number>>(sql`SELECT ${sql.join(counts, sql`, `)}`);
  return row ?? { waiting: 0, delayed: 0, active: 0, completed: 0, failed: 0 };
}

/**
 * How long the oldest job of each kind and volume has waited for its first run, in seconds on the database clock; kinds
 * without one are missing. One look at the unfinished jobs, by `jobs_due_idx`.
 */
export async function listOldestWaiting(
  db: Executor,
): Promise<{ readonly kind: JobKind; readonly volume: string; readonly seconds: number }[]> {
  return await db.execute<{ kind: JobKind; volume: string; seconds: number }>(sql`
    SELECT kind, volume, extract(epoch FROM now() - min(created_at))::float8 AS seconds
    FROM jobs WHERE state IN ('queued', 'running') AND state = 'queued' AND attempt = 0
    GROUP BY kind, volume`);
}

interface QueueJobRow extends Record<string, unknown> {
  readonly id: string;
}

/** Jobs of a queue in one state, newest first, from `offset` on. */
export async function listQueueJobIds(
  db: Executor,
  query: {
    readonly scope: QueueScope;
    readonly state: QueueJobState;
    readonly offset: number;
    readonly limit: number;
  },
): Promise<string[]> {
  const rows = await db.execute<QueueJobRow>(sql`
    SELECT id FROM ${rowsOf(query.state)} AND ${inScope(query.scope)}
    ORDER BY id DESC OFFSET ${query.offset} LIMIT ${query.limit}`);
  return rows.map((row) => row.id);
}

const queueJobColumns = {
  id: jobs.id,
  kind: jobs.kind,
  state: jobs.state,
  queueState,
  volume: jobs.volume,
  folderId: jobs.folderId,
  actorId: jobs.actorId,
  payload: jobs.payload,
  progress: sql<JobProgress | null>`${jobs.progress}`,
  result: jobs.result,
  errorCode: jobs.errorCode,
  errorDetail: jobs.errorDetail,
  attempt: jobs.attempt,
  attemptsMax: jobs.attemptsMax,
  priority: jobs.priority,
  leaseOwner: jobs.leaseOwner,
  createdAt: jobs.createdAt,
  startedAt: jobs.startedAt,
  finishedAt: jobs.finishedAt,
};

/** The jobs with these ids, newest first. */
export async function findQueueJobs(db: Executor, ids: readonly string[]): Promise<QueueJob[]> {
  return await db
    .select(queueJobColumns)
    .from(jobs)
    .where(sql`id IN (SELECT jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb)::uuid)`)
    .orderBy(sql`id DESC`);
}

/**
 * Gives a job that failed or was cancelled another go, from its first attempt on; it keeps its checkpoint.
 * @returns `null` when it is in no such state
 */
export async function requeueEndedJob(
  db: Executor,
  job: { readonly jobId: string; readonly dispatchInMs: number },
): Promise<DispatchRow | null> {
  const rows = await db
    .update(jobs)
    .set({
      state: 'queued',
      attempt: 0,
      errorCode: null,
      errorDetail: null,
      result: null,
      cancelRequestedAt: null,
      startedAt: null,
      finishedAt: null,
      dispatchCount: 0,
      nextDispatchAt: inMs(job.dispatchInMs),
    })
    .where(and(eq(jobs.id, job.jobId), sql`state IN ('failed', 'cancelled')`))
    .returning({
      id: jobs.id,
      kind: jobs.kind,
      volume: jobs.volume,
      priority: jobs.priority,
      fence: jobs.fence,
    });
  return rows[0] ?? null;
}
