import type { Database } from '../db/client.ts';
import { putBackDueJobs, takeDueJobs } from '../db/queries/job-lease.ts';
import { insertScheduledJobs } from '../db/queries/job-schedules.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { JobLogger } from './logger.ts';
import { applyQueueSettings } from './queue-admin.ts';
import type { QueueStore } from './queue-store.ts';
import { schedulesOf } from './schedules.ts';
import { throttledWarning } from './throttled-warning.ts';
import { pause } from './timers.ts';
import type { JobTimings } from './timings.ts';
import { readingKinds } from './volume-states.ts';

/** Compares rows and queues from time to time; every process runs one, and they share the rows without waiting. */
export interface Reconciler {
  close(): Promise<void>;
}

const batchMax = 500;
const batchesMax = 20;

/**
 * Starts handing over, again and again, what is due: rows whose first dispatch got lost (or whose queue was emptied),
 * retries, runs whose lease ended, and the scheduled work of `volumes`; telling the queues what operators have set; and
 * looking what they have set for the volumes.
 */
export function startReconciler(options: {
  readonly db: Database;
  readonly store: QueueStore;
  readonly dispatcher: Dispatcher;
  readonly volumes: readonly string[];
  readonly timings: JobTimings;
  readonly logger: JobLogger;
  /** Reads the states of the volumes anew, for the times when a notification gets lost. */
  readonly refreshVolumes: () => Promise<void>;
}): Reconciler {
  const { db, dispatcher, timings } = options;
  const warn = throttledWarning(options.logger, 'job.reconcile-failed');
  const stop = new AbortController();
  const schedules = schedulesOf(options.volumes);

  const schedule = async () => {
    const ids = await insertScheduledJobs(db, schedules, timings.graceMs);
    if (ids.length > 0) dispatcher.dispatch(ids);
  };
  const loops = [
    repeat(() => redispatch(options), timings.reconcileMs, { signal: stop.signal, warn }),
    repeat(options.refreshVolumes, timings.reconcileMs, { signal: stop.signal, warn }),
    repeat(() => applyQueueSettings(options), timings.scheduleMs, { signal: stop.signal, warn }),
    ...(schedules.length === 0 ? [] : [repeat(schedule, timings.scheduleMs, { signal: stop.signal, warn })]),
  ];
  return {
    close: async () => {
      stop.abort();
      await Promise.all(loops);
    },
  };
}

/** Rows the queue store refuses are due again after one round, so that they follow its return closely. */
async function redispatch(options: {
  readonly db: Database;
  readonly dispatcher: Dispatcher;
  readonly timings: JobTimings;
}): Promise<void> {
  const { db, timings } = options;
  const { redispatchMs: firstMs, redispatchMaxMs: maxMs } = timings;
  const query = { limit: batchMax, firstMs, maxMs, readingKinds };
  for (let batch = 0; batch < batchesMax; batch++) {
    const rows = await takeDueJobs(db, query);
    if (rows.length === 0) return;
    const refused = await options.dispatcher.dispatchRows(rows);
    if (refused.length > 0) {
      await putBackDueJobs(db, { jobIds: refused, delayMs: timings.reconcileMs });
      return;
    }
    if (rows.length < batchMax) return;
  }
}

/** Runs `work` about every `ms`, spread by a fifth so that processes started together do not stay together. */
async function repeat(
  work: () => Promise<void>,
  ms: number,
  options: { readonly signal: AbortSignal; readonly warn: (error: unknown) => void },
): Promise<void> {
  while (!options.signal.aborted) {
    await work().catch(options.warn);
    await pause(ms * (0.9 + Math.random() * 0.2), options.signal);
  }
}
