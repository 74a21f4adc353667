import { type BatchThread, startBatchThread, tasksMax, type Waiting } from './batch-thread.ts';
import type { BatchReply } from './serve-batches.ts';

/** Threads at most: as many tasks may wait for the storage at the same time. */
const threadsMax = 8;
/** How often it is looked whether a thread is held up. */
const lookEveryMs = 20;
/** A task that takes this long waits for its storage: several side by side are faster than one after the other. */
const slowTaskMs = 1;
/** What one slow batch counts against those before it; a fast one counts whole, for only storage makes all of them slow. */
const slowWeight = 1 / 32;
/** Threads that are not the only one and have nothing to do are kept this long. */
const idleMs = 60_000;

/**
 * Threads for short tasks that wait for one storage: those that come at the same time travel to a thread, and back, in one
 * message. A thread that is held up by one task keeps that one only.
 */
export interface BatchThreads<Task, Result> {
  /**
   * Runs a task, which may be begun again in another thread when its own is held up by another one: it must have no effect but
   * its result. What the task was lent must be left alone until this settles.
   * @throws when the thread of the task, or the task itself, has a fault
   */
  run(task: Task): Promise<Result>;
  /** Resolves once a thread has loaded its script, which is not for tasks with a deadline to wait for. */
  warm(): Promise<void>;
  /** Ends the threads; what still runs is rejected. May be used again afterwards. */
  close(): Promise<void>;
}

/** How to make them. */
export interface BatchThreadsOptions<Result> {
  readonly scriptUrl: URL;
  /** Gets the result of a task that another thread was faster with. */
  readonly discard: (result: Result) => void;
}

/** How long a task takes when nothing but its storage holds it up. */
function createTaskClock() {
  let usualMs = 0;
  return {
    isSlow: () => usualMs >= slowTaskMs,
    add: ({ ms, outcomes }: BatchReply<unknown>): void => {
      const taskMs = ms / outcomes.length;
      usualMs = taskMs < usualMs ? taskMs : usualMs + (taskMs - usualMs) * slowWeight;
    },
  };
}

/** The threads that there are, and when they start and end. The first one stays. */
function createCrew<Task, Result>(
  { scriptUrl, discard }: BatchThreadsOptions<Result>,
  onChange: () => void,
): {
  readonly all: ReadonlySet<BatchThread<Task, Result>>;
  readonly isSlow: () => boolean;
  start(): BatchThread<Task, Result>;
} {
  const all = new Set<BatchThread<Task, Result>>();
  const clock = createTaskClock();
  const start = (): BatchThread<Task, Result> => {
    let idle: NodeJS.Timeout | undefined;
    const rest = () => {
      idle ??= setTimeout(() => {
        idle = undefined;
        if (thread.isIdle && all.size > 1) void thread.end();
      }, idleMs).unref();
      idle.refresh();
    };
    const thread = startBatchThread<Task, Result>({
      scriptUrl,
      discard,
      onIdle: (reply) => {
        clock.add(reply);
        rest();
        onChange();
      },
      onEnd: () => {
        clearTimeout(idle);
        all.delete(thread);
        onChange();
      },
    });
    all.add(thread);
    return thread;
  };
  return { all, isSlow: clock.isSlow, start };
}

/** Makes threads that run `scriptUrl`, see `serveBatches`. Nothing is started yet. */
export function createBatchThreads<Task, Result>(
  options: BatchThreadsOptions<Result>,
): BatchThreads<Task, Result> {
  const waiting: Waiting<Task, Result>[] = [];
  const pump = (): void => {
    while (waiting.length > 0) {
      const thread = pick();
      if (thread === undefined) return;
      thread.hand(waiting.splice(0, crew.isSlow() ? 1 : tasksMax));
      watch();
    }
  };
  const crew = createCrew<Task, Result>(options, pump);
  /** An idle thread, or a new one where another would help: none is there, all are held up, or the storage is slow. */
  const pick = (): BatchThread<Task, Result> | undefined => {
    const all = [...crew.all];
    const idle = all.find(({ isIdle }) => isIdle);
    if (idle !== undefined || all.length >= threadsMax) return idle;
    return crew.isSlow() || all.every(({ isHeldUp }) => isHeldUp) ? crew.start() : undefined;
  };
  let isWatched = false;
  // One timer for all threads, while any is busy.
  const watch = (): void => {
    if (isWatched) return;
    isWatched = true;
    setTimeout(() => {
      isWatched = false;
      for (const thread of crew.all) waiting.push(...thread.look());
      pump();
      if ([...crew.all].some(({ isIdle }) => !isIdle)) watch();
    }, lookEveryMs).unref();
  };
  return {
    run: (task) =>
      new Promise((resolve, reject) => {
        // What the rest of this turn of the event loop asks for goes along.
        if (waiting.length === 0) setImmediate(pump);
        waiting.push({ task, resolve, reject });
      }),
    async warm() {
      const [first] = crew.all;
      // It is looked at before every task: most of the time it is up.
      if (first?.isUp === true) return;
      await (first ?? crew.start()).warm();
    },
    async close() {
      for (const { reject } of waiting.splice(0)) reject(new Error('The threads are closed.'));
      await Promise.all([...crew.all].map((thread) => thread.end()));
    },
  };
}
