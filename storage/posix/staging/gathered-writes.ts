import fs from 'node:fs';
import { promisify } from 'node:util';
import { volumeUnavailable } from '../errno.ts';
import type { Descriptor } from '../handles/descriptor.ts';

const writev = promisify(fs.writev);

/** Bytes gathered before they are written: one large writev is three times as fast as one write per network chunk. */
const batchBytes = 1024 * 1024;
/** Chunks gathered at most, so that a sender of single bytes does not grow a list of a million views (and IOV_MAX). */
const batchChunksMax = 512;

/**
 * Writes chunks in order, in large batches. One may add at a time; flushing meanwhile is fine. After a failure nothing may be
 * written any more.
 */
export interface GatheredWrites {
  /**
   * Takes a chunk, which may be written later. Resolves when more may be given: at most two batches are in memory. `onWritten` is called
   * with the chunk when it has been written.
   */
  add(chunk: Uint8Array, onWritten?: (chunk: Uint8Array) => void): Promise<void>;
  /** Writes what is gathered; resolves when the kernel has all that was given before the call. */
  flush(): Promise<void>;
}

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
export async function writeAll(
  file: Descriptor,
  chunks: readonly Uint8Array[],
  position: number,
): Promise<void> {
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

/** Starts writing to `file` at `position`; one batch is written while the next is gathered. */
export function gatherWrites(file: Descriptor, position: number): GatheredWrites {
  let handedTo = position;
  let gathered: Uint8Array[] = [];
  let whenWritten: (() => void)[] = [];
  let gatheredBytes = 0;
  let writing: Promise<void> = Promise.resolve();
  /** Queues what is gathered. @returns when the batch before it is written */
  const handOver = (): Promise<void> => {
    const before = writing;
    const batch = gathered;
    const listeners = whenWritten;
    const at = handedTo;
    handedTo += gatheredBytes;
    gathered = [];
    whenWritten = [];
    gatheredBytes = 0;
    // Not after a failure: a write that is only given up still reads from that memory.
    writing = before.then(async () => {
      await writeAll(file, batch, at);
      for (const tell of listeners) tell();
    });
    // The failure is met by whoever awaits it next; until then it must not count as unhandled.
    writing.catch(() => undefined);
    return before;
  };
  return {
    async add(chunk, onWritten) {
      if (chunk.byteLength === 0) return;
      gathered.push(chunk);
      if (onWritten !== undefined) whenWritten.push(() => onWritten(chunk));
      gatheredBytes += chunk.byteLength;
      if (gatheredBytes >= batchBytes || gathered.length >= batchChunksMax) await handOver();
    },
    flush() {
      // What is written meanwhile comes after it in line.
      void handOver().catch(() => undefined);
      return writing;
    },
  };
}
