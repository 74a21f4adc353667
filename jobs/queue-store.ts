import type { BackendFactory, IQueueBackend } from 'bullmq';
import type { DispatchRow } from '../db/queries/jobs.ts';
import type { JobKind } from '../domain/job.ts';
import { bundleRows, makeSlots } from './bundles.ts';
import { openQueuePool, openRedis } from './connections.ts';
import { jobContracts } from './contracts.ts';
import { loadBullmq } from './libraries.ts';
import type { JobLogger } from './logger.ts';
import { throttledWarning } from './throttled-warning.ts';

/** What follows a delivery: nothing, another worker at once, or the same id once more after a while. */
export type Delivery =
  | { readonly next: 'nothing' }
  | { readonly next: 'hand_back' }
  | { readonly next: 'again'; readonly afterMs: number };

/** Takes ids from one queue. */
export interface QueueWorker {
  /** Takes no more while `isPaused`, and takes on again after; running deliveries go on. */
  pause(isPaused: boolean): Promise<void>;
  /** Takes no more; resolves when running deliveries are over, or at once with `force`. */
  close(force: boolean): Promise<void>;
}

/**
 * The queues, wherever they live. They carry ids of rows and may forget or repeat them; an id that already waits is
 * not added twice, and nothing is kept of one that is done, so that it may be added again.
 */
export interface QueueStore {
  /** Each row as an entry of its own. @throws at once when the store is away */
  add(queueName: string, rows: readonly DispatchRow[]): Promise<void>;
  /**
   * As `add`, for rows that are handed over for the first time: short work travels in bundles, see {@link bundleRows}. A row that
   * is added again meanwhile is delivered twice. @throws at once when the store is away
   */
  addTogether(queueName: string, rows: readonly DispatchRow[]): Promise<void>;
  /** Takes a waiting id out; nothing happens when it does not wait. */
  remove(queueName: string, jobId: string): Promise<void>;
  /** Resolves when the store answers. @throws when it is away; may hang as long as the store does */
  ping(): Promise<void>;
  /** Lets a queue hand out ids or not, and to how many deliveries at a time over all workers. @throws when the store is away */
  regulate(queueName: string, rule: QueueRule): Promise<void>;
  /** Starts taking ids. On Postgres it resolves when the database answers; on Redis at once. */
  work(queueName: string, options: WorkOptions): Promise<QueueWorker>;
  close(): Promise<void>;
}

/** What holds for a queue in all processes. */
export interface QueueRule {
  readonly isPaused: boolean;
  /** `null`: no limit beside that of each worker. */
  readonly concurrencyMax: number | null;
}

/** What a queue delivers. */
export interface HandedJob {
  readonly id: string;
  /** The row's fence when it was handed over; a claim since then makes this delivery a repeated one. */
  readonly fence: number;
}

/** How to take ids from a queue. */
export interface WorkOptions {
  readonly concurrency: number;
  /** Must not throw but for outages; the id is then due again by its row. */
  readonly deliver: (handed: HandedJob) => Promise<Delivery>;
  /**
   * Called `afterMs` after a delivery that asked for another, and not before the store has let go of the id: until
   * then it would take the id for known and add nothing.
   */
  readonly again: (jobId: string) => void;
}

/** Where the queues live: Redis when its url is given, else the database. */
export interface QueueStoreOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string | undefined;
  /** How many queues this process takes ids from; 0 when it only adds. */
  readonly workersMax: number;
  readonly logger: JobLogger;
}

const waitingFree = 4;

/** Opens the queues without waiting for their store. */
export function openQueueStore(options: QueueStoreOptions): QueueStore {
  const { createPostgresBackend, createRedisBackend, isPgPool } = loadBullmq();
  const onError = throttledWarning(options.logger, 'queue.unreachable');
  if (options.redisUrl === undefined) {
    const connectionsMax = options.workersMax + waitingFree;
    const pool = openQueuePool(options.databaseUrl, { connectionsMax, onError });
    // The library's own type of a pool differs from the driver's in the signature of `on` only.
    if (!isPgPool(pool)) throw new Error('The queue library does not know a pool of this driver.');
    return makeStore(createPostgresBackend, {
      connection: pool,
      failsForGood: true,
      onError,
      ping: () => pool.query('SELECT 1'),
      disconnect: () => pool.end(),
    });
  }
  const role = options.workersMax === 0 ? 'producer' : 'consumer';
  const redis = openRedis(options.redisUrl, { role, onError });
  return makeStore(createRedisBackend, {
    connection: redis,
    failsForGood: false,
    onError,
    ping: () => redis.ping(),
    disconnect: async () => redis.disconnect(),
  });
}

/** The queue of a job: per kind of work and volume, because a worker only takes work for volumes it has. */
export function queueNameOf(job: { readonly kind: JobKind; readonly volume: string }): string {
  return `${jobContracts[job.kind].queue}.${job.volume}`;
}

/**
 * Under which id a queue keeps a row. The one of a lost run stays taken until the queue's own lock on it ends, which is
 * longer than the lease of some jobs; a row that was claimed since is not held up by it.
 */
export function queuedIdOf(row: { readonly id: string; readonly fence: number }): string {
  return row.fence === 0 ? row.id : `${row.id}-${row.fence}`;
}

/** The fence within an id that `queuedIdOf` made for `rowId`. */
export function fenceOfQueued(queuedId: string | undefined, rowId: string): number {
  const fence = Number(queuedId?.slice(rowId.length + 1));
  return Number.isSafeInteger(fence) ? fence : 0;
}

interface StoreParts<C> {
  readonly connection: C;
  /** Whether a worker object whose first connect fails is of no use; on Redis it waits and recovers. */
  readonly failsForGood: boolean;
  readonly onError: (error: unknown) => void;
  readonly ping: () => Promise<unknown>;
  readonly disconnect: () => Promise<void>;
}

/** What of a queue of the library is set. */
interface Regulated {
  isPaused(): Promise<boolean>;
  pause(): Promise<unknown>;
  resume(): Promise<unknown>;
  getGlobalConcurrency(): Promise<number | null>;
  setGlobalConcurrency(max: number): Promise<unknown>;
  removeGlobalConcurrency(): Promise<unknown>;
}

async function regulate(
  queue: Regulated,
  { isPaused, concurrencyMax }: { readonly isPaused: boolean; readonly concurrencyMax: number | null },
): Promise<void> {
  const isChanged = (await queue.isPaused()) !== isPaused;
  if (isChanged && isPaused) await queue.pause();
  if ((await queue.getGlobalConcurrency()) !== concurrencyMax) {
    if (concurrencyMax === null) await queue.removeGlobalConcurrency();
    else await queue.setGlobalConcurrency(concurrencyMax);
  }
  // Last, so that what waited meets the limit.
  if (isChanged && !isPaused) await queue.resume();
}

function makeStore<B extends IQueueBackend, C>(
  factory: BackendFactory<B, C>,
  parts: StoreParts<C>,
): QueueStore {
  const { WaitingError, withBackend } = loadBullmq();
  const { Queue, Worker } = withBackend(factory);
  const makeQueue = (name: string) => {
    const queue = new Queue<QueuedData>(name, {
      connection: parts.connection,
      skipWaitingForReady: true,
      streams: { events: { maxLen: 500 } },
    });
    queue.on('error', parts.onError);
    return queue;
  };
  const queues = new Map<string, ReturnType<typeof makeQueue>>();
  const readyQueue = async (name: string) => {
    const queue = queues.get(name) ?? makeQueue(name);
    queues.set(name, queue);
    try {
      await queue.waitUntilReady();
      return queue;
    } catch (error) {
      // A queue object whose first connect failed stays broken for ever; the next caller gets a new one.
      if (queues.get(name) === queue) queues.delete(name);
      await queue.close().catch(() => undefined);
      throw error;
    }
  };
  const addEntries = async (name: string, entries: readonly QueueEntry[]) => {
    const queue = await readyQueue(name);
    const [first, ...others] = entries;
    if (first === undefined) return;
    if (others.length === 0) await queue.add(first.name, first.data, first.opts);
    else await queue.addBulk([first, ...others]);
  };
  // Asked for at every bundle, for it holds from the moment when an operator sets it. Unknown counts as set.
  const isLimited = async (name: string) => {
    try {
      return (await (await readyQueue(name)).getGlobalConcurrency()) !== null;
    } catch {
      return true;
    }
  };
  return {
    add: (name, rows) => addEntries(name, rows.map(toQueued)),
    addTogether: (name, rows) => addEntries(name, bundleRows(rows).map(toEntry)),
    remove: async (name, jobId) => {
      await (await readyQueue(name)).remove(jobId);
    },
    ping: async () => {
      await parts.ping();
    },
    regulate: async (name, setting) => {
      await regulate(await readyQueue(name), setting);
    },
    work: async (name, options) => {
      const { takeAll, repeat } = deliveriesOf(options);
      const worker = new Worker<QueuedData>(
        name,
        async (job, token) => {
          const handed = handedOf(job);
          const isOneByOne = handed.length > 1 && (await isLimited(name));
          const isBack = await takeAll(handed, isOneByOne);
          if (!isBack || token === undefined) return;
          await job.moveToWait(token);
          throw new WaitingError();
        },
        { connection: parts.connection, concurrency: options.concurrency, ...workerSettings },
      );
      worker.on('error', parts.onError);
      worker.on('failed', (_job, error) => parts.onError(error));
      worker.on('completed', (job) => repeat(handedOf(job)));
      if (parts.failsForGood) {
        await worker.waitUntilReady().catch(async (error: unknown) => {
          await worker.close(true);
          throw error;
        });
      }
      return {
        pause: (isPaused) => (isPaused ? worker.pause(true) : worker.resume()),
        close: (force) => worker.close(force),
      };
    },
    close: async () => {
      await Promise.allSettled([...queues.values()].map((queue) => queue.close()));
      await parts.disconnect();
    },
  };
}

/**
 * The queue's own lock is shorter than most leases, so that little of a lost run is left when the lease
 * ends. Retries after a lost connection are soon, for the default is 15 s.
 */
const workerSettings = {
  lockDuration: 10_000,
  stalledInterval: 5_000,
  maxStalledCount: 100,
  drainDelay: 5,
  runRetryDelay: 1_000,
};

/** What an entry of a queue says: the id of a row, or those of a bundle. */
type QueuedData = { readonly opId: string } | { readonly opIds: readonly string[] };

type QueueEntry = ReturnType<typeof toQueued> | ReturnType<typeof toBundle>;

/** The rows of an entry. Only rows that were never claimed are in bundles. */
function handedOf({
  id,
  data,
}: {
  readonly id?: string | undefined;
  readonly data: QueuedData;
}): HandedJob[] {
  if ('opIds' in data) return data.opIds.map((opId) => ({ id: opId, fence: 0 }));
  return [{ id: data.opId, fence: fenceOfQueued(id, data.opId) }];
}

/** What a worker does with the rows of the entries it takes from one queue. */
interface Deliveries {
  /**
   * Delivers the rows of an entry, each by itself, at the same time or one after the other. @returns whether one of them goes back;
   * the others are over by then, and nothing happens when they are delivered again @throws what a delivery threw, after all
   */
  takeAll(handed: readonly HandedJob[], isOneByOne: boolean): Promise<boolean>;
  /** Has those that asked for it delivered once more, now that the store has let go of their entry. */
  repeat(handed: readonly HandedJob[]): void;
}

function deliveriesOf({ concurrency, deliver, again }: WorkOptions): Deliveries {
  const repeatAt = new Map<string, number>();
  // An entry may hold more rows than there is room for; those wait here.
  const slots = makeSlots(concurrency);
  const take = async (handed: HandedJob) => {
    const delivery = await slots.run(() => deliver(handed));
    if (delivery.next === 'again') repeatAt.set(handed.id, performance.now() + delivery.afterMs);
    return delivery.next === 'hand_back';
  };
  return {
    takeAll: async (handed, isOneByOne) => {
      const outcomes: PromiseSettledResult<boolean>[] = [];
      for (const group of isOneByOne ? handed.map((one) => [one]) : [handed]) {
        outcomes.push(...(await Promise.allSettled(group.map(take))));
      }
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      return outcomes.some((outcome) => outcome.status === 'fulfilled' && outcome.value);
    },
    repeat: (handed) => {
      for (const { id } of handed) {
        const at = repeatAt.get(id);
        repeatAt.delete(id);
        if (at !== undefined) setTimeout(() => again(id), at - performance.now()).unref();
      }
    },
  };
}

function toEntry(rows: readonly DispatchRow[]): QueueEntry {
  const [first, ...others] = rows;
  if (first === undefined) throw new Error('A bundle has a row.');
  return others.length === 0 ? toQueued(first) : toBundle(first, rows);
}

function toBundle(first: DispatchRow, rows: readonly DispatchRow[]) {
  const { name, opts } = toQueued(first);
  // Not the id of a row, so that each of them can still be added by itself.
  return { name, data: { opIds: rows.map(({ id }) => id) }, opts: { ...opts, jobId: `bundle-${first.id}` } };
}

function toQueued(row: DispatchRow) {
  const opts = {
    jobId: queuedIdOf(row),
    attempts: 1,
    priority: row.priority,
    removeOnComplete: true,
    removeOnFail: true,
  };
  return { name: row.kind, data: { opId: row.id }, opts };
}
