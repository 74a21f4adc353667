import { createClaims, resetClaims, takeBack } from './batch-claims.ts';
import type { BatchReply, BatchThreadData, Outcome } from './serve-batches.ts';
import { startWorker } from './start-worker.ts';

/** Tasks that travel together at most. */
export const tasksMax = 16;
/** After so many looks and one more at a busy thread it is held up. */
const looksMax = 2;
/** Threads keep nothing from task to task, and memory that is collected late is memory that every thread takes. */
const resourceLimits = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 };

/** A task and who waits for it. */
export interface Waiting<Task, Result> {
  readonly task: Task;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

/** A thread that has one batch at a time. */
export interface BatchThread<Task, Result> {
  /** Whether its script is loaded. */
  readonly isUp: boolean;
  readonly isIdle: boolean;
  /** It has not answered for too long. */
  readonly isHeldUp: boolean;
  /** Resolves once it is up, or has failed to come up; keeps the process alive meanwhile. */
  warm(): Promise<void>;
  /** Hands it a batch; it is idle. */
  hand(batch: readonly Waiting<Task, Result>[]): void;
  /** Counts a look. @returns what is taken away from it, all but the task that holds it up, once it is held up */
  look(): readonly Waiting<Task, Result>[];
  /** Ends it; what it has is rejected. */
  end(): Promise<unknown>;
}

/** What a thread is made of. */
export interface BatchThreadOptions<Result> {
  readonly scriptUrl: URL;
  /** Gets the result of a task that was taken away too late. */
  readonly discard: (result: Result) => void;
  /** Hears that the thread is idle again, before those who wait hear of their results. */
  readonly onIdle: (reply: BatchReply<Result>) => void;
  /** Hears that it is gone. May be called twice. */
  readonly onEnd: () => void;
}

/** `null` stands for a task that was taken away. */
type Batch<Task, Result> = (Waiting<Task, Result> | null)[];

function settle<Task, Result>(
  batch: Batch<Task, Result>,
  outcomes: readonly Outcome<Result>[],
  discard: (result: Result) => void,
): void {
  for (const [index, outcome] of outcomes.entries()) {
    const waiting = batch[index];
    if (outcome === null) continue;
    if ('failure' in outcome) waiting?.reject(new Error(outcome.failure));
    else if (waiting) waiting.resolve(outcome.result);
    else discard(outcome.result);
  }
}

/** Starts a thread that runs `scriptUrl`, see `serveBatches`. It keeps the process alive only while it has something to do. */
export function startBatchThread<Task, Result>(
  options: BatchThreadOptions<Result>,
): BatchThread<Task, Result> {
  const { scriptUrl, discard, onIdle, onEnd } = options;
  const claims = createClaims(tasksMax);
  const workerData: BatchThreadData = { claims };
  // What a thread opens is closed elsewhere: were it to keep count, it would close numbers that mean something else by then.
  const worker = startWorker(scriptUrl, { workerData, resourceLimits, trackUnmanagedFds: false });
  let batch: Batch<Task, Result> = [];
  let isUp = false;
  let looks = 0;
  const gone = (error: Error): void => {
    onEnd();
    for (const left of batch.splice(0)) left?.reject(error);
  };
  const up = new Promise<void>((resolve) => {
    for (const event of ['message', 'error', 'exit']) worker.once(event, () => resolve());
  });
  worker.on('message', (reply: BatchReply<Result>) => {
    // The first one says that the script is loaded.
    if (!isUp) {
      isUp = true;
      return;
    }
    const answered = batch;
    batch = [];
    looks = 0;
    worker.unref();
    onIdle(reply);
    settle(answered, reply.outcomes, discard);
  });
  worker.on('error', (error) => gone(error instanceof Error ? error : new Error('A thread failed.')));
  worker.on('exit', () => gone(new Error('A thread ended before its task was done.')));
  worker.unref();
  return {
    get isUp() {
      return isUp;
    },
    get isIdle() {
      return batch.length === 0;
    },
    get isHeldUp() {
      return looks > looksMax;
    },
    async warm() {
      worker.ref();
      await up;
      if (batch.length === 0) worker.unref();
    },
    hand(given) {
      batch = [...given];
      resetClaims(claims);
      worker.ref();
      worker.postMessage(given.map(({ task }) => task));
    },
    look() {
      if (!isUp || batch.length === 0) return [];
      looks += 1;
      if (looks !== looksMax + 1) return [];
      const taken = batch.map((held, index) => (held !== null && takeBack(claims, index) ? held : null));
      batch = batch.map((held, index) => (taken[index] === null ? held : null));
      return taken.filter((held) => held !== null);
    },
    end: () => worker.terminate(),
  };
}
