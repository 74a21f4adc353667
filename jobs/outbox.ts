import { uuidv7 } from 'uuidv7';
import type { Executor } from '../db/client.ts';
import {
  type DispatchRow,
  type InsertJob,
  insertActorJobs,
  insertJob,
  insertJobs,
} from '../db/queries/jobs.ts';
import type { JobKind } from '../domain/job.ts';
import { formatTraceparent } from '../domain/trace.ts';
import { jobContracts } from './contracts.ts';
import type { NewJob } from './job-client.ts';

function toRow<K extends JobKind>(job: NewJob<K>, graceMs: number): InsertJob {
  const contract = jobContracts[job.kind];
  return {
    id: job.id ?? uuidv7(),
    kind: job.kind,
    payload: contract.payload.parse(job.payload),
    volume: job.volume,
    folderId: job.folderId,
    actorId: job.actorId,
    attemptsMax: contract.attemptsMax,
    dedupeKey: job.dedupeKey ?? null,
    traceparent: job.trace === undefined ? null : formatTraceparent(job.trace),
    dispatchInMs: job.holdMs ?? graceMs,
  };
}

/**
 * Inserts a job in the caller's transaction, or finds the unfinished one with its dedupe key. The reconciler has the
 * row `graceMs` later (or at the end of its hold) unless a worker has claimed it by then.
 * @throws when the payload is not what the contract of the kind says
 */
export async function insertOutboxJob<K extends JobKind>(
  tx: Executor,
  job: NewJob<K>,
  graceMs: number,
): Promise<DispatchRow> {
  return await insertJob(tx, toRow(job, graceMs));
}

/** Inserts several jobs in the caller's transaction, each as {@link insertOutboxJob} does; none may have a dedupe key. */
export async function insertOutboxJobsOf<K extends JobKind>(
  tx: Executor,
  jobs: readonly Omit<NewJob<K>, 'dedupeKey'>[],
  graceMs: number,
): Promise<DispatchRow[]> {
  return await insertActorJobs(
    tx,
    jobs.map((job) => toRow(job, graceMs)),
  );
}

/** Inserts work of the service itself in bulk; what is under way already is left out. @throws as {@link insertOutboxJob} */
export async function insertOutboxJobs<K extends JobKind>(
  tx: Executor,
  jobs: readonly NewJob<K>[],
  graceMs: number,
): Promise<DispatchRow[]> {
  return await insertJobs(
    tx,
    jobs.map((job) => toRow(job, graceMs)),
  );
}
