import { hostname } from 'node:os';
import type { Database } from '../db/client.ts';
import type { JobNotifications } from '../db/notifications.ts';
import { beatWorker, deleteSilentWorkers, deleteWorker } from '../db/queries/workers.ts';
import type { Consumer } from './consumer.ts';
import type { JobLogger } from './logger.ts';
import { throttledWarning } from './throttled-warning.ts';
import { pause, withinDeadline } from './timers.ts';
import { type JobTimings, workerGoneMs } from './timings.ts';

/** The sign of life of a worker process. */
export interface WorkerBeat {
  /** Ends it and removes the row. May be called again. */
  close(): Promise<void>;
}

/** What the sign is made of. */
export interface WorkerBeatOptions {
  readonly db: Database;
  readonly notifications: JobNotifications;
  readonly consumer: Consumer;
  /** Of this program. */
  readonly version: string;
  readonly timings: Pick<JobTimings, 'beatMs'>;
  readonly logger: JobLogger;
}

const removeMsMax = 2_000;

/**
 * Keeps the row of this worker process while it runs, sweeps those of processes that were killed, and does what operators
 * ask of it through the row. Resolves after the first beat, so that a worker that is ready can be seen; while the database
 * is away that is missed, and the beats go on when it is back.
 */
export async function startWorkerBeat(options: WorkerBeatOptions): Promise<WorkerBeat> {
  const { db, consumer, timings } = options;
  const warn = throttledWarning(options.logger, 'worker.beat-failed');
  const stop = new AbortController();
  let woken = new AbortController();
  let isDraining = false;

  const beat = async () => {
    const { id, queues, volumes, concurrency } = consumer;
    const about = { id, host: hostname(), pid: process.pid, version: options.version };
    const upMs = process.uptime() * 1_000;
    const facts = { ...about, queues, volumes, concurrency, upMs };
    const wanted = await beatWorker(db, { ...facts, ...consumer.state(), isDraining });
    if (wanted !== isDraining) {
      isDraining = wanted;
      await consumer.drain(isDraining);
      await beatWorker(db, { ...facts, ...consumer.state(), isDraining });
    }
    const gone = await deleteSilentWorkers(db, workerGoneMs);
    if (gone.length > 0) options.logger.warn({ worker_ids: gone }, 'worker.gone');
  };
  const repeat = async () => {
    while (!stop.signal.aborted) {
      await pause(timings.beatMs, woken.signal);
      woken = new AbortController();
      if (!stop.signal.aborted) await beat().catch(warn);
    }
  };
  const unsubscribe = options.notifications.subscribe(consumer.id, () => woken.abort());
  await beat().catch(warn);
  const repeating = repeat();
  let closing: Promise<void> | undefined;
  const close = async () => {
    stop.abort();
    woken.abort();
    unsubscribe();
    await repeating;
    await withinDeadline(deleteWorker(db, consumer.id), removeMsMax, 'Removing the worker').catch(warn);
  };
  return {
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
