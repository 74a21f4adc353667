import assert from 'node:assert/strict';
import { withStorageErrors } from '../posix/errno.ts';
import { createThreadPool } from '../threads/thread-pool.ts';
import type { FilesPacked, FilesTask, Packed, PackTask, PartPacked, PartTask } from './pack-tasks.ts';

/**
 * Threads that read and deflate. A volume has its own, so that one that hangs blocks no other. They start with the
 * first task and end when there has been none for a minute.
 */
export interface Packer {
  /** How many tasks can run at once. */
  readonly size: number;
  /** @throws volume_unavailable and the like on a failing read */
  packFiles(task: Omit<FilesTask, 'kind'>): Promise<FilesPacked>;
  /** @throws volume_unavailable and the like on a failing read */
  packPart(task: Omit<PartTask, 'kind'>): Promise<PartPacked>;
  /** Takes the memory of `bytes` away. */
  packBytes(bytes: Uint8Array<ArrayBuffer>): Promise<PartPacked>;
  /** Ends the threads; what still runs is rejected. */
  close(): Promise<void>;
}

function partOf(packed: Packed): PartPacked {
  assert(packed.kind === 'part', 'A part is answered by a part.');
  return packed;
}

/** A packer without threads yet. */
export function createPacker(): Packer {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const pool = createThreadPool<PackTask, Packed>(new URL(`./pack-thread.${extension}`, import.meta.url));
  const run = (task: PackTask, transfer: readonly ArrayBuffer[] = []) =>
    withStorageErrors(() => pool.run(task, transfer));
  return {
    size: pool.size,
    async packFiles(task) {
      const { text, numbers, inodes } = task;
      const packed = await run({ ...task, kind: 'files' }, [text.buffer, numbers.buffer, inodes.buffer]);
      assert(packed.kind === 'files', 'Files are answered by files.');
      return packed;
    },
    packPart: async (task) => partOf(await run({ ...task, kind: 'part' })),
    packBytes: async (bytes) => partOf(await run({ kind: 'bytes', bytes }, [bytes.buffer])),
    close: () => pool.close(),
  };
}
