import type { Database, Executor } from '../db/client.ts';
import { violatedConstraint } from '../db/failure.ts';
import {
  countQueueJobs,
  findQueueJobs,
  listOldestWaiting,
  listQueueJobIds,
  type QueueJob,
  type QueueJobState,
  requeueEndedJob,
} from '../db/queries/queue-jobs.ts';
import {
  findQueueSetting,
  listQueueSettings,
  lockQueueSetting,
  type QueueSetting,
  type QueueSettingChange,
  updateQueueSetting,
} from '../db/queries/queue-settings.ts';
import { domainError } from '../domain/errors.ts';
import { jobKinds } from '../domain/job.ts';
import { type JobContract, jobContracts, type QueueName, queueNames } from './contracts.ts';
import type { Dispatcher } from './dispatcher.ts';
import { type QueueStore, queueNameOf } from './queue-store.ts';
import { withinDeadline } from './timers.ts';
import type { JobTimings } from './timings.ts';

/** One queue: a kind of work on one volume. `name` is `<work>.<volume>`. */
export interface QueueInfo {
  readonly name: string;
  readonly work: QueueName;
  readonly volume: string;
}

/** A page of jobs of one queue. */
export interface QueueJobQuery {
  readonly state: QueueJobState;
  readonly offset: number;
  readonly limit: number;
}

/**
 * What operators see and do. Jobs are read from their rows, so that the figures are exact on every store of queues, also
 * while a queue is paused or was emptied.
 */
export interface QueueAdmin {
  readonly queues: readonly QueueInfo[];
  counts(queue: QueueInfo): Promise<Readonly<Record<QueueJobState, number>>>;
  /** By name of the queue: how long its oldest waiting job has waited, in seconds; queues without one are missing. */
  oldestWaiting(): Promise<ReadonlyMap<string, number>>;
  /** Newest first. */
  jobs(queue: QueueInfo, query: QueueJobQuery): Promise<QueueJob[]>;
  /** `null` when there is no such job in this queue. */
  job(queue: QueueInfo, jobId: string): Promise<QueueJob | null>;
  setting(queue: QueueInfo): Promise<QueueSetting>;
  /**
   * Pauses or resumes a queue, or limits how many of its jobs run at a time. It holds from the moment the store of queues
   * is told, which is repeated by every process until it is.
   */
  change(queue: QueueInfo, change: QueueSettingChange, note?: Note<QueueSetting>): Promise<QueueSetting>;
  /** Gives a failed or cancelled job another go. @throws not_found, job_not_retriable */
  retry(jobId: string, note?: Note<QueueJob>): Promise<void>;
}

/** Writes down what is done, in its transaction; told how it was before. */
export type Note<T> = (tx: Executor, before: T) => Promise<void>;

/** The parts that administration shares with the client of this process. */
export interface QueueAdminParts {
  readonly db: Database;
  readonly store: QueueStore;
  readonly dispatcher: Dispatcher;
  readonly timings: JobTimings;
  readonly volumes: readonly string[];
}

function listQueues(volumes: readonly string[]): QueueInfo[] {
  return volumes.flatMap((volume) => queueNames.map((work) => ({ name: `${work}.${volume}`, work, volume })));
}

function scopeOf(queue: QueueInfo) {
  return { kinds: jobKinds.filter((kind) => jobContracts[kind].queue === queue.work), volume: queue.volume };
}

/** Opens the administration of the queues of `volumes`. */
export function openQueueAdmin(parts: QueueAdminParts): QueueAdmin {
  const { db, store, timings } = parts;
  return {
    queues: listQueues(parts.volumes),
    counts: (queue) => countQueueJobs(db, scopeOf(queue)),
    oldestWaiting: async () => {
      const oldest = new Map<string, number>();
      for (const { kind, volume, seconds } of await listOldestWaiting(db)) {
        const name = queueNameOf({ kind, volume });
        oldest.set(name, Math.max(seconds, oldest.get(name) ?? 0));
      }
      return oldest;
    },
    jobs: async (queue, query) => {
      const ids = await listQueueJobIds(db, { scope: scopeOf(queue), ...query });
      return ids.length === 0 ? [] : await findQueueJobs(db, ids);
    },
    job: async (queue, jobId) => {
      const [job] = await findQueueJobs(db, [jobId]);
      const isHere = job?.volume === queue.volume && jobContracts[job.kind].queue === queue.work;
      return isHere ? job : null;
    },
    setting: (queue) => findQueueSetting(db, queue.name),
    change: async (queue, change, note) => {
      const setting = await db.transaction(async (tx) => {
        const before = await lockQueueSetting(tx, queue.name);
        await note?.(tx, before);
        return await updateQueueSetting(tx, queue.name, change);
      });
      const told = store.regulate(queue.name, setting);
      // What cannot be told at once is told by `applyQueueSettings`.
      await withinDeadline(told, timings.addTimeoutMs, 'Changing the queue').catch(() => undefined);
      return setting;
    },
    retry: (jobId, note) => retryJob(parts, jobId, note),
  };
}

async function retryJob(parts: QueueAdminParts, jobId: string, note?: Note<QueueJob>): Promise<void> {
  const { db, dispatcher, timings } = parts;
  const [job] = await findQueueJobs(db, [jobId]);
  if (job === undefined) throw domainError('not_found', 'There is no such job.');
  const { isRetriable }: JobContract = jobContracts[job.kind];
  if (isRetriable !== true) {
    throw domainError('job_not_retriable', 'A job of this kind has given back what another go would need.');
  }
  const query = { jobId, dispatchInMs: timings.graceMs };
  const requeue = async (tx: Executor) => {
    const requeued = await requeueEndedJob(tx, query);
    if (requeued !== null) await note?.(tx, job);
    return requeued;
  };
  const row = await db.transaction(requeue).catch((cause: unknown) => {
    if (violatedConstraint(cause) !== 'jobs_dedupe_key') throw cause;
    throw domainError('job_not_retriable', 'An unfinished job does the same work already.', { cause });
  });
  if (row === null) throw domainError('job_not_retriable', 'Only a failed or cancelled job can be retried.');
  dispatcher.remember(row);
  dispatcher.dispatch([row.id]);
}

/** Tells the store of queues what is set, as far as it differs; for the times when it was away or emptied. */
export async function applyQueueSettings(
  parts: Pick<QueueAdminParts, 'db' | 'store' | 'timings'>,
): Promise<void> {
  const { db, store, timings } = parts;
  for (const setting of await listQueueSettings(db)) {
    await withinDeadline(store.regulate(setting.queue, setting), timings.addTimeoutMs, 'Setting up a queue');
  }
}
