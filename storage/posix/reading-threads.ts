import { type BatchThreads, createBatchThreads } from '../threads/batch-threads.ts';
import { closeLate } from './directory.ts';
import type { ReadResult, ReadTask } from './read-entry.ts';

/** Threads in which the files of one volume are opened; small ones are read there as well. */
export type ReadingThreads = BatchThreads<ReadTask, ReadResult>;

/** Closes what came of a file that nobody waits for any more. */
export function closeUnread(result: ReadResult): void {
  if (result.kind === 'descriptor') closeLate(result.fd);
}

/** Nothing is started yet. */
export function createReadingThreads(): ReadingThreads {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const scriptUrl = new URL(`./read-thread.${extension}`, import.meta.url);
  return createBatchThreads({ scriptUrl, discard: closeUnread });
}
