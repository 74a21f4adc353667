import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import type { StagedContent, StageWriter } from '../volume.ts';
import type { Bulkhead } from './bulkhead.ts';
import { type Descriptor, ownFileDescriptor } from './descriptor.ts';
import { versionOf } from './entry-stat.ts';
import { toStorageError, volumeUnavailable } from './errno.ts';
import { syscalls } from './syscalls.ts';

const writev = promisify(fs.writev);

/** Bytes gathered before they are written: one large writev is three times as fast as one write per network chunk. */
const batchBytes = 1024 * 1024;
/** Chunks gathered at most, so that a sender of single bytes does not grow a list of a million views (and IOV_MAX). */
const batchChunksMax = 512;

function dropWritten(chunks: readonly Uint8Array[], written: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let toDrop = written;
  for (const chunk of chunks) {
    if (toDrop >= chunk.byteLength) {
      toDrop -= chunk.byteLength;
      continue;
    }
    rest.push(toDrop === 0 ? chunk : chunk.subarray(toDrop));
    toDrop = 0;
  }
  return rest;
}

/** Writes all of `chunks` at `position`. A full disk first shows as a short count, and as an error only on the next. */
async function writeAll(file: Descriptor, chunks: readonly Uint8Array[], position: number): Promise<void> {
  let rest = chunks;
  let offset = position;
  while (rest.length > 0) {
    const batch = rest;
    const at = offset;
    const { bytesWritten } = await file.using((fd) => writev(fd, batch, at));
    if (bytesWritten === 0) throw volumeUnavailable(new Error('writev wrote nothing'));
    offset += bytesWritten;
    rest = dropWritten(batch, bytesWritten);
  }
}

/**
 * Writes to a new file: hashes what passes, gathers about 1 MiB and writes it while the next is gathered (so at most
 * two batches are in memory). The first failed write or sync poisons the writer: after a failed fsync the kernel may
 * report success and have dropped the data, so nothing is ever retried.
 */
export function createStageWriter(fd: number, bulkhead: Bulkhead): StageWriter {
  const file = ownFileDescriptor(fd, bulkhead);
  const sha256 = createHash('sha256');
  let crc = 0;
  let acceptedBytes = 0;
  let handedBytes = 0;
  let gathered: Uint8Array[] = [];
  let gatheredBytes = 0;
  let writing: Promise<void> = Promise.resolve();
  let state: 'open' | 'failed' | 'finished' | 'closed' = 'open';

  const fail = (error: unknown): never => {
    state = 'failed';
    throw toStorageError(error);
  };
  const handOver = async (): Promise<void> => {
    await writing;
    const batch = gathered;
    const position = handedBytes;
    handedBytes += gatheredBytes;
    gathered = [];
    gatheredBytes = 0;
    writing = writeAll(file, batch, position);
    // The failure is met by the next `await writing`; until then it must not count as unhandled.
    writing.catch(() => undefined);
  };
  const finishFile = async (): Promise<StagedContent> => {
    await handOver();
    await writing;
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
    async write(chunk) {
      assert(state === 'open', 'Nothing is written to a writer that failed or was closed.');
      if (chunk.byteLength === 0) return;
      sha256.update(chunk);
      crc = crc32(chunk, crc);
      acceptedBytes += chunk.byteLength;
      gathered.push(chunk);
      gatheredBytes += chunk.byteLength;
      if (gatheredBytes >= batchBytes || gathered.length >= batchChunksMax) {
        await handOver().catch(fail);
      }
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
