import assert from 'node:assert/strict';
import { withStorageErrors } from '../posix/errno.ts';
import { createThreadPool } from '../threads/thread-pool.ts';
import type { FilesPacked, FilesTask, Packed, PackTask, PartPacked, PartTask } from './pack-tasks.ts';

/**
 * Threads that read and deflate. A volume has its own, so that one that hangs blocks no other. They start with the
 * first task and end when there has been none for a minute. There are as many as processors, and more once reading small
 * files is found to be waiting.
 */
export interface Packer {
  /** How many tasks can run at once. */
  readonly size: number;
  /** @throws volume_unavailable and the like on a failing read */
  packFiles(task: Omit<FilesTask, 'kind'>): Promise<FilesPacked>;
  /** @throws volume_unavailable and the like on a failing read */
  packPart(task: Omit<PartTask, 'kind'>): Promise<PartPacked>;
  /** Ends the threads; what still runs is rejected. */
  close(): Promise<void>;
}

function partOf(packed: Packed): PartPacked {
  assert(packed.kind === 'part', 'A part is answered by a part.');
  return packed;
}

/** What reading and packing one small file costs the processor, in milliseconds, as long as nothing waits for storage. */
const busyMs = 0.1;
/** A file that is opened and read in less, in milliseconds, was in memory. */
const farMs = 0.4;

/** A packer without threads yet. */
export function createPacker(): Packer {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const pool = createThreadPool<PackTask, Packed>(new URL(`./pack-thread.${extension}`, import.meta.url));
  const run = (task: PackTask, transfer: readonly ArrayBuffer[] = []) =>
    withStorageErrors(() => pool.run(task, transfer));
  return {
    get size() {
      return pool.size;
    },
    async packFiles(task) {
      const { text, numbers, inodes } = task;
      const packed = await run({ ...task, kind: 'files' }, [text.buffer, numbers.buffer, inodes.buffer]);
      assert(packed.kind === 'files', 'Files are answered by files.');
      // A thread that waits for storage leaves its processor to another one.
      if (packed.readMs >= farMs) pool.grow(Math.round(packed.readMs / busyMs));
      return packed;
    },
    packPart: async (task) => partOf(await run({ ...task, kind: 'part' })),
    close: () => pool.close(),
  };
}
