import type { Executor } from '../db/client.ts';
import type { JobRecord } from '../db/queries/jobs.ts';
import type { JobKind } from '../domain/job.ts';
import type { TraceContext } from '../domain/trace.ts';
import type { JobPayload } from './contracts.ts';
import type { Note, QueueAdmin } from './queue-admin.ts';
import type { VolumeStates } from './volume-states.ts';
import type { JobWatch } from './watch.ts';

/** A job to be inserted in the transaction of the change that needs it. */
export interface NewJob<K extends JobKind = JobKind> {
  /** Given when other rows must name it beforehand; else made. */
  readonly id?: string;
  readonly kind: K;
  readonly payload: JobPayload<K>;
  readonly volume: string;
  readonly folderId: string | null;
  readonly actorId: string | null;
  /** An unfinished job with the same key is answered instead of making another. */
  readonly dedupeKey?: string;
  /** Not dispatched before this long, unless released by `JobClient.release`; for work the API prepares on disk first. */
  readonly holdMs?: number;
  /** The span that it belongs to; every run of it, however late, is a part of that one's trace. */
  readonly trace?: TraceContext | undefined;
}

/** A job as callers may see it. */
export type JobView = JobRecord;

/** What the API needs from the queues. The row is the truth; everything here but `enqueue` is a hint or a look. */
export interface JobClient {
  /** Inserts the row in the caller's transaction and answers its id (or the id of the unfinished job with the same dedupe key). */
  enqueue<K extends JobKind>(tx: Executor, job: NewJob<K>): Promise<string>;
  /** Inserts several rows in the caller's transaction, each as `enqueue` does. @returns their ids */
  enqueueEach<K extends JobKind>(
    tx: Executor,
    jobs: readonly Omit<NewJob<K>, 'dedupeKey'>[],
  ): Promise<string[]>;
  /** Inserts rows of the service's own work in bulk, after everyone else's. @returns ids of those not under way already */
  enqueueAll<K extends JobKind>(tx: Executor, jobs: readonly NewJob<K>[]): Promise<string[]>;
  /** Hands committed rows to the queue, best effort and without waiting; the reconciler repeats what gets lost. */
  dispatch(jobIds: readonly string[]): void;
  /** Ends the hold of a row in the caller's transaction; `dispatch` it after the commit. */
  release(tx: Executor, jobId: string): Promise<void>;
  /** Waits for the end of a job. @returns the finished job, or `null` when `timeoutMs` passed or `signal` aborted first */
  wait(
    jobId: string,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<JobView | null>;
  /** Looks at a job for as long as it is followed. */
  watch(jobId: string): JobWatch;
  /** Cancels: a queued job at once, a running one as soon as its handler notices. @throws job_not_cancellable */
  cancel(jobId: string, note?: Note<JobView>): Promise<JobView>;
  /** Resolves when the store of the queues answers. @throws when it is away; may hang as long as the store does */
  ping(): Promise<void>;
  /** What operators let the volumes be used for. */
  readonly volumeStates: VolumeStates;
  /** The queues as operators see them. */
  readonly admin: QueueAdmin;
}
