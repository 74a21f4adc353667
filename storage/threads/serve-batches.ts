import { parentPort, type Transferable, workerData } from 'node:worker_threads';
import { type BatchClaims, beginTask, endTask } from './batch-claims.ts';
import type { Done } from './serve-tasks.ts';

/** What became of one task; `null` of one that was taken back. */
export type Outcome<Result> = { readonly result: Result } | { readonly failure: string } | null;

/** The outcomes of a batch, in the order of its tasks, and how long it took. The first reply, to no batch, says that the thread is up. */
export interface BatchReply<Result> {
  readonly outcomes: readonly Outcome<Result>[];
  readonly ms: number;
}

/** What a thread is started with. */
export interface BatchThreadData {
  readonly claims: BatchClaims;
}

/**
 * Runs in one of {@link createBatchThreads}: answers batch after batch, each task synchronously. What a task is to be
 * refused with is part of its result; what it throws is a fault.
 */
export function serveBatches<Task, Result>(work: (task: Task) => Done<Result>): void {
  const port = parentPort;
  const { claims }: BatchThreadData = workerData;
  port?.on('message', (tasks: readonly Task[]) => {
    const beganAt = performance.now();
    const transfer: Transferable[] = [];
    const run = (task: Task, index: number): Outcome<Result> => {
      if (!beginTask(claims, index)) return null;
      try {
        const done = work(task);
        transfer.push(...done.transfer);
        return { result: done.result };
      } catch (error) {
        return { failure: error instanceof Error ? error.message : 'A task failed.' };
      } finally {
        endTask(claims, index);
      }
    };
    const outcomes = tasks.map(run);
    const reply: BatchReply<Result> = { outcomes, ms: performance.now() - beganAt };
    port.postMessage(reply, transfer);
  });
  port?.postMessage({ outcomes: [], ms: 0 } satisfies BatchReply<Result>);
}
