import assert from 'node:assert/strict';
import { createBatchThreads } from '../../threads/batch-threads.ts';
import type { EntryStat } from '../../volume.ts';
import { volumeUnavailable } from '../errno.ts';
import { closeLate, type Directory } from '../handles/directory.ts';
import type { ByteName } from '../handles/entry-name.ts';
import type { ReadResult, ReadTask } from './read-entry.ts';
import type { StatResult, StatTask } from './stat-names.ts';

/** Threads in which the files of one volume are opened and looked at; small ones are read there as well. */
export interface ReadingThreads {
  /** Opens a file below a folder. @throws volume_unavailable */
  open(folder: Directory, file: Pick<ReadTask, 'area' | 'path'>): Promise<ReadResult>;
  /** `lstat` of names of one directory, in their order; `null` for what nothing has. @throws volume_unavailable, and the plain error of a system call */
  stat(directory: Directory, names: readonly ByteName[]): Promise<readonly (EntryStat | null)[]>;
  /** Ends the threads; what still runs is rejected. */
  close(): Promise<void>;
}

function closeUnread(result: ReadResult | StatResult): void {
  if (result.kind === 'descriptor') closeLate(result.fd);
}

/** An error of a system call that was made in a thread. */
export function failureOf({ errno, message }: { readonly errno: number; readonly message: string }): Error {
  return Object.assign(new Error(message), { errno });
}

/** Nothing is started yet. */
export function createReadingThreads(): ReadingThreads {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const scriptUrl = new URL(`./read-thread.${extension}`, import.meta.url);
  const threads = createBatchThreads<ReadTask | StatTask, ReadResult | StatResult>({
    scriptUrl,
    discard: closeUnread,
  });
  const run = async (directory: Directory, task: (number: number) => ReadTask | StatTask) => {
    await threads.warm();
    return await directory.using(
      (number) =>
        threads.run(task(number)).catch((error: unknown) => {
          throw volumeUnavailable(error);
        }),
      { onLate: closeUnread },
    );
  };
  return {
    async open(folder, file) {
      const { device } = folder;
      const result = await run(folder, (number) => ({ kind: 'open', folder: number, device, ...file }));
      assert(result.kind !== 'stats' && result.kind !== 'stat_failed', 'What is opened is not looked at.');
      return result;
    },
    async stat(directory, names) {
      const result = await run(directory, (number) => ({ kind: 'stat', directory: number, names }));
      if (result.kind === 'stat_failed') throw failureOf(result);
      assert(result.kind === 'stats', 'What is looked at is not opened.');
      return result.stats;
    },
    close: () => threads.close(),
  };
}
