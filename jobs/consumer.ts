import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import { uuidv7 } from 'uuidv7';
import type { Database } from '../db/client.ts';
import type { Tracer } from '../domain/trace.ts';
import { type QueueName, queueNames } from './contracts.ts';
import type { JobHandlers } from './handler.ts';
import type { JobMetrics } from './job-metrics.ts';
import type { JobLogger } from './logger.ts';
import type { OpenJobClient } from './open-job-client.ts';
import { type HandedJob, openQueueStore, type QueueStore, type QueueWorker } from './queue-store.ts';
import { runJob } from './run-job.ts';
import { shareStatements } from './runner-statements.ts';
import { pause } from './timers.ts';

/** How many jobs of each queue one process runs at a time, per volume. Archives are bound by one core. */
export const usualConcurrency: Readonly<Record<QueueName, number>> = {
  upload: 16,
  delete: 4,
  archive: 1,
  quota: 2,
  copy: 2,
};

/** What it takes to run jobs. */
export interface ConsumerOptions {
  readonly db: Database;
  readonly databaseUrl: string;
  /** `undefined`: the queues live in the database. */
  readonly redisUrl: string | undefined;
  /** The client of this process; it has to outlive the consumer. */
  readonly client: OpenJobClient;
  readonly handlers: JobHandlers;
  /** Names of the volumes that this process has mounted. */
  readonly volumes: readonly string[];
  /** Default: all of them. */
  readonly queues?: readonly QueueName[];
  readonly concurrency?: Partial<Readonly<Record<QueueName, number>>>;
  readonly logger: JobLogger;
  /** Where runs are counted. Default: nowhere. */
  readonly metrics?: JobMetrics | undefined;
  /** Where runs are recorded. Default: nowhere. */
  readonly tracer?: Tracer | undefined;
}

/** The part of a process that runs jobs. */
export interface Consumer {
  /** Made at every start; the last letters are in the rows of the jobs that it runs. */
  readonly id: string;
  readonly queues: readonly QueueName[];
  readonly volumes: readonly string[];
  /** Jobs it runs at a time, by queue, on each volume. */
  readonly concurrency: Readonly<Record<string, number>>;
  /** What it does at the moment. */
  state(): { readonly jobIds: readonly string[]; readonly takesJobs: boolean };
  /** Takes no more jobs while `isDraining`; those that run are finished. Nothing happens when it is so already. */
  drain(isDraining: boolean): Promise<void>;
  /**
   * Takes no more jobs and hands running ones back: their signals abort, and what has stopped goes to other workers at
   * once, its run not counted. What has not stopped after `deadlineMs` is left; its lease ends and others take it over. May be called again.
   */
  close(deadlineMs: number): Promise<void>;
}

const openRetryMs = 1_000;

/** Starts to take jobs from the queues of `volumes`; waits for the database when the queues live there. */
export async function openConsumer(options: ConsumerOptions): Promise<Consumer> {
  const { db, client, handlers, logger } = options;
  const queues = options.queues ?? queueNames;
  const stopping = new AbortController();
  // Every running job listens; how many that are is bounded by the concurrency of the queues.
  setMaxListeners(0, stopping.signal);
  const store = openQueueStore({ ...options, workersMax: queues.length * options.volumes.length });
  const id = uuidv7();
  const running = new Set<string>();
  let isDraining = false;
  const takesJobs = () => !isDraining && !stopping.signal.aborted;
  const owner = `${hostname()}:${process.pid}:${id.slice(-6)}`;
  const parts = {
    db,
    handlers,
    logger,
    metrics: options.metrics,
    tracer: options.tracer,
    notifications: client.notifications,
    timings: client.timings,
    volumeStates: client.volumeStates,
    workerId: id,
    shared: shareStatements({ db, owner, timings: client.timings }),
    stopping: stopping.signal,
    takesJobs,
    running,
  };
  const again = (jobId: string) => client.dispatcher.dispatch([jobId]);
  const deliver = (handed: HandedJob) => runJob(parts, handed);
  const concurrencyOf = (queue: QueueName) => options.concurrency?.[queue] ?? usualConcurrency[queue];
  const workers = await Promise.all(
    queues.flatMap((queue) =>
      options.volumes.map((volume) =>
        startWorker(store, `${queue}.${volume}`, {
          concurrency: concurrencyOf(queue),
          deliver,
          again,
          logger,
        }),
      ),
    ),
  );
  let closing: Promise<void> | undefined;
  const close = async (deadlineMs: number) => {
    stopping.abort();
    const late = new AbortController();
    const isClosed = await Promise.race([
      Promise.allSettled(workers.map((worker) => worker.close(false))).then(() => true),
      pause(deadlineMs, late.signal).then(() => false),
    ]);
    late.abort();
    if (isClosed) return await store.close();
    // A queue object that still works holds its connection; the end of the process takes both.
    logger.warn({ deadline_ms: deadlineMs }, 'worker.close-late');
  };
  return {
    id,
    queues,
    volumes: options.volumes,
    concurrency: Object.fromEntries(queues.map((queue) => [queue, concurrencyOf(queue)])),
    state: () => ({ jobIds: [...running], takesJobs: takesJobs() }),
    drain: async (wanted) => {
      if (wanted === isDraining || stopping.signal.aborted) return;
      isDraining = wanted;
      logger.info({ worker_id: id, is_draining: isDraining, jobs: running.size }, 'worker.drain');
      await Promise.all(workers.map((worker) => worker.pause(wanted)));
    },
    close: (deadlineMs) => {
      closing ??= close(deadlineMs);
      return closing;
    },
  };
}

async function startWorker(
  store: QueueStore,
  queueName: string,
  options: Parameters<QueueStore['work']>[1] & { readonly logger: JobLogger },
): Promise<QueueWorker> {
  for (;;) {
    try {
      return await store.work(queueName, options);
    } catch (err) {
      options.logger.warn({ err, queue: queueName }, 'queue.unreachable');
      await pause(openRetryMs);
    }
  }
}
