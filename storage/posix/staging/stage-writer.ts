import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { StagedContent, StageWriter } from '../../volume.ts';
import type { Bulkhead } from '../bulkhead.ts';
import { toStorageError, volumeUnavailable } from '../errno.ts';
import { ownFileDescriptor } from '../handles/descriptor.ts';
import { versionOf } from '../handles/entry-stat.ts';
import { syscalls } from '../handles/syscalls.ts';
import { gatherWrites } from './gathered-writes.ts';

/**
 * Writes to a new file: hashes what passes, gathers about 1 MiB and writes it while the next is gathered (so at most
 * two batches are in memory). The first failed write or sync poisons the writer: after a failed fsync the kernel may
 * report success and have dropped the data, so nothing is ever retried.
 */
export function createStageWriter(fd: number, bulkhead: Bulkhead): StageWriter {
  const file = ownFileDescriptor(fd, bulkhead);
  const writes = gatherWrites(file, 0);
  const sha256 = createHash('sha256');
  let crc = 0;
  let acceptedBytes = 0;
  let state: 'open' | 'failed' | 'finished' | 'closed' = 'open';

  const fail = (error: unknown): never => {
    state = 'failed';
    throw toStorageError(error);
  };
  const finishFile = async (): Promise<StagedContent> => {
    await writes.flush();
    const stat = await file.using(
      async (number) => {
        await syscalls.fsync(number);
        return syscalls.fstat(number, { bigint: true });
      },
      { kind: 'patient' },
    );
    if (stat.size !== BigInt(acceptedBytes)) {
      throw volumeUnavailable(new Error(`file has ${stat.size} of ${acceptedBytes} bytes`));
    }
    await file.close();
    return {
      sizeBytes: acceptedBytes,
      sha256: sha256.digest('hex'),
      crc32: crc,
      inode: String(stat.ino),
      version: versionOf(stat),
    };
  };

  return {
    get sizeBytes() {
      return acceptedBytes;
    },
    async write(chunk, onWritten) {
      assert(state === 'open', 'Nothing is written to a writer that failed or was closed.');
      sha256.update(chunk);
      crc = crc32(chunk, crc);
      acceptedBytes += chunk.byteLength;
      await writes.add(chunk, onWritten).catch(fail);
    },
    async flush() {
      assert(state === 'open', 'Nothing is written to a writer that failed or was closed.');
      await writes.flush().catch(fail);
    },
    async finish() {
      assert(state === 'open', 'A writer finishes once, and only if no write failed.');
      const content = await finishFile().catch(fail);
      state = 'finished';
      return content;
    },
    async close() {
      if (state === 'finished' || state === 'closed') return;
      state = 'closed';
      await file.close();
    },
  };
}
