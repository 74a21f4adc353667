import type { Database } from '../db/client.ts';
import { type JobNotifications, notifyJob, openNotifications } from '../db/notifications.ts';
import { findJob, type JobRecord, releaseJob, requestCancel } from '../db/queries/jobs.ts';
import { domainError } from '../domain/errors.ts';
import { type JobContract, jobContracts } from './contracts.ts';
import { type Dispatcher, makeDispatcher } from './dispatcher.ts';
import type { JobClient, JobView } from './job-client.ts';
import type { JobLogger } from './logger.ts';
import { cancelWord } from './notification-words.ts';
import { insertOutboxJob, insertOutboxJobs, insertOutboxJobsOf } from './outbox.ts';
import { type Note, openQueueAdmin } from './queue-admin.ts';
import { openQueueStore } from './queue-store.ts';
import { startReconciler } from './reconciler.ts';
import { throttledWarning } from './throttled-warning.ts';
import { type JobTimings, usualTimings } from './timings.ts';
import { openVolumeStates } from './volume-states.ts';
import { type JobWaiter, makeJobWaiter } from './wait.ts';
import { makeJobWatcher } from './watch.ts';

/** What every process with jobs has. */
export interface JobClientOptions {
  readonly db: Database;
  readonly databaseUrl: string;
  /** `undefined`: the queues live in the database. */
  readonly redisUrl: string | undefined;
  /** Names of the volumes whose scheduled work this process keeps going. */
  readonly volumes: readonly string[];
  readonly logger: JobLogger;
  readonly timings?: Partial<JobTimings>;
}

/** A job client with what a consumer in the same process shares with it. */
export interface OpenJobClient extends JobClient {
  readonly dispatcher: Dispatcher;
  readonly notifications: JobNotifications;
  readonly timings: JobTimings;
  /** Stops the reconciler, lets adds on their way arrive and disconnects. May be called again. */
  close(): Promise<void>;
}

/** How long a cancel waits for the job's end, so that most callers see it at once. */
const cancelWaitMs = 1_000;

/**
 * Opens the queues for those who give work, and starts this process's reconciler. Resolves while the queue store is
 * away, too.
 */
export async function openJobClient(options: JobClientOptions): Promise<OpenJobClient> {
  const { db, logger } = options;
  const timings = { ...usualTimings, ...options.timings };
  const store = openQueueStore({ ...options, workersMax: 0 });
  const notifications = openNotifications({
    url: options.databaseUrl,
    onError: throttledWarning(logger, 'job.listen-failed'),
  });
  const dispatcher = makeDispatcher({ db, store, logger, timings });
  const onStatesError = throttledWarning(logger, 'volume.state-unknown');
  const volumeStates = openVolumeStates({ db, notifications, onError: onStatesError });
  await volumeStates.refresh().catch(onStatesError);
  const { refresh: refreshVolumes } = volumeStates;
  const { volumes } = options;
  const reconciler = startReconciler({ db, store, dispatcher, volumes, timings, logger, refreshVolumes });
  const waiter = makeJobWaiter({ db, notifications, onError: throttledWarning(logger, 'job.wait-failed') });
  const watcher = makeJobWatcher({
    db,
    notifications,
    onError: throttledWarning(logger, 'job.watch-failed'),
  });
  let closing: Promise<void> | undefined;
  const close = async () => {
    await reconciler.close();
    volumeStates.close();
    await dispatcher.close();
    await waiter.close();
    await watcher.close();
    await notifications.close();
    await store.close();
  };
  return {
    dispatcher,
    notifications,
    timings,
    enqueue: async (tx, job) => {
      const row = await insertOutboxJob(tx, job, timings.graceMs);
      dispatcher.remember(row);
      return row.id;
    },
    enqueueEach: async (tx, jobs) => {
      const rows = await insertOutboxJobsOf(tx, jobs, timings.graceMs);
      for (const row of rows) dispatcher.remember(row);
      return rows.map((row) => row.id);
    },
    enqueueAll: async (tx, jobs) => {
      const rows = await insertOutboxJobs(tx, jobs, timings.graceMs);
      for (const row of rows) dispatcher.remember(row);
      return rows.map((row) => row.id);
    },
    dispatch: (jobIds) => {
      dispatcher.dispatch(jobIds);
      waiter.begin(jobIds);
    },
    release: (tx, jobId) => releaseJob(tx, { jobId, dispatchInMs: timings.graceMs }),
    wait: waiter.wait,
    watch: watcher.watch,
    ping: store.ping,
    volumeStates,
    admin: openQueueAdmin({ db, store, dispatcher, timings, volumes }),
    cancel: (jobId, note) => cancelJob({ db, waiter, dispatcher, timings }, jobId, note),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/**
 * A waiting job is ended by a worker as well, for only workers know what it holds: it is dispatched before all others
 * and ended in place of its run.
 */
async function cancelJob(
  parts: Pick<OpenJobClient, 'dispatcher' | 'timings'> & {
    readonly db: Database;
    readonly waiter: JobWaiter;
  },
  jobId: string,
  note?: Note<JobView>,
): Promise<JobRecord> {
  const { db } = parts;
  const found = await findJob(db, { jobId, actorId: null });
  if (found === null) throw domainError('not_found', 'There is no such job.');
  const { isUnstoppable }: JobContract = jobContracts[found.kind];
  if (isUnstoppable === true) {
    throw domainError('job_not_cancellable', 'A job of this kind is seen through once it is accepted.');
  }
  const job = await db.transaction(async (tx) => {
    const unwanted = await requestCancel(tx, { jobId, dispatchInMs: parts.timings.graceMs });
    if (unwanted !== null) await note?.(tx, unwanted);
    return unwanted;
  });
  if (job === null) {
    throw domainError('job_not_cancellable', 'The job has ended and can no longer be cancelled.');
  }
  if (job.state === 'queued') parts.dispatcher.expedite(job);
  else await notifyJob(db, jobId, cancelWord);
  const ended = await parts.waiter.wait(jobId, { timeoutMs: cancelWaitMs });
  return ended ?? (await findJob(db, { jobId, actorId: null })) ?? job;
}
