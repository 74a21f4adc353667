import { parentPort, type Transferable } from 'node:worker_threads';

/** What a thread answers to the task of the same id. Errors lose their class on the way; these fields are kept. */
export type Reply<Result> =
  | { readonly id: number; readonly result: Result }
  | {
      readonly id: number;
      readonly failure: {
        readonly message: string;
        readonly errno?: number | undefined;
        readonly code?: string | undefined;
      };
    };

/** The result of a task, and which of its buffers are given away with it. */
export interface Done<Result> {
  readonly result: Result;
  readonly transfer: readonly Transferable[];
}

/** Runs in a thread of a {@link ThreadPool}: answers task after task, each synchronously. */
export function serveTasks<Task, Result>(work: (task: Task) => Done<Result>): void {
  const port = parentPort;
  port?.on('message', ({ id, task }: { readonly id: number; readonly task: Task }) => {
    try {
      const { result, transfer } = work(task);
      port.postMessage({ id, result }, transfer);
    } catch (error) {
      const { message, errno, code }: NodeJS.ErrnoException = error instanceof Error ? error : new Error('…');
      port.postMessage({ id, failure: { message, errno, code } });
    }
  });
}
