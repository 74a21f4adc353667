import { availableParallelism } from 'node:os';
import type { Transferable, Worker } from 'node:worker_threads';
import type { Reply } from './serve-tasks.ts';
import { startWorker } from './start-worker.ts';

/** Threads a pool has at most: deflate scales with cores, a volume's bandwidth does not. */
const threadsMax = 8;
/** Two even on one core, so that one can wait for the disk. */
const threadsMin = 2;
/** Idle threads are kept warm this long; starting one costs more than a small archive. */
const idleMs = 60_000;

/** Runs tasks of one kind off the event loop, in threads that start when they are needed. Safe to use concurrently. */
export interface ThreadPool<Task, Result> {
  /** How many tasks can run at once. */
  readonly size: number;
  /** Lets it have more threads: `size`, but no more than it may have at most. It never has fewer again. */
  grow(size: number): void;
  /**
   * Runs one task; `transfer` moves buffers of it instead of copying them.
   * @throws what the task threw, with its `errno` and `code`; an error when its thread died
   */
  run(task: Task, transfer?: readonly Transferable[]): Promise<Result>;
  /** Ends the threads; what still runs is rejected. The pool may be used again afterwards. */
  close(): Promise<void>;
}

interface Waiting<Result> {
  resolve(result: Result): void;
  reject(error: Error): void;
}

interface Thread<Result> {
  readonly worker: Worker;
  readonly waiting: Map<number, Waiting<Result>>;
}

function failureOf({
  message,
  errno,
  code,
}: Extract<Reply<unknown>, { failure: unknown }>['failure']): Error {
  return Object.assign(new Error(message), errno === undefined ? {} : { errno, code });
}

function startThread<Result>(scriptUrl: URL, onEnd: (thread: Thread<Result>) => void): Thread<Result> {
  const worker = startWorker(scriptUrl);
  const waiting: Thread<Result>['waiting'] = new Map();
  const thread = { worker, waiting };
  const end = (error: Error): void => {
    onEnd(thread);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.on('message', (reply: Reply<Result>) => {
    const waiter = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (waiting.size === 0) worker.unref();
    if ('failure' in reply) waiter?.reject(failureOf(reply.failure));
    else waiter?.resolve(reply.result);
  });
  worker.on('error', (error) => end(error instanceof Error ? error : new Error('A thread failed.')));
  worker.on('exit', () => end(new Error('A thread ended before its task was done.')));
  worker.unref();
  return thread;
}

/** A pool of threads that run `scriptUrl`, see {@link serveTasks}. Nothing is started yet. */
export function createThreadPool<Task, Result>(scriptUrl: URL): ThreadPool<Task, Result> {
  let size = Math.min(threadsMax, Math.max(threadsMin, availableParallelism()));
  const threads = new Set<Thread<Result>>();
  let lastId = 0;
  let idle: NodeJS.Timeout | undefined;
  const close = async (): Promise<void> => {
    clearTimeout(idle);
    const ending = [...threads];
    // What is asked for from here on gets new threads, not one that is about to end.
    threads.clear();
    await Promise.all(ending.map(({ worker }) => worker.terminate()));
  };
  const rest = (): void => {
    clearTimeout(idle);
    if ([...threads].every(({ waiting }) => waiting.size === 0)) {
      idle = setTimeout(() => void close(), idleMs).unref();
    }
  };
  /** The least busy thread, or a new one when all are busy and there is room. */
  const pick = (): Thread<Result> => {
    const [least] = [...threads].sort((a, b) => a.waiting.size - b.waiting.size);
    if (least !== undefined && (least.waiting.size === 0 || threads.size >= size)) return least;
    const thread = startThread<Result>(scriptUrl, (ended) => threads.delete(ended));
    threads.add(thread);
    return thread;
  };
  return {
    get size() {
      return size;
    },
    grow(wanted) {
      size = Math.max(size, Math.min(threadsMax, wanted));
    },
    close,
    async run(task, transfer = []) {
      clearTimeout(idle);
      const { worker, waiting } = pick();
      lastId += 1;
      const id = lastId;
      try {
        return await new Promise<Result>((resolve, reject) => {
          worker.postMessage({ id, task }, transfer);
          waiting.set(id, { resolve, reject });
          worker.ref();
        });
      } finally {
        rest();
      }
    },
  };
}
