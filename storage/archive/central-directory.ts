import { constants, inflateRawSync } from 'node:zlib';
import type { PartPacked } from './pack-tasks.ts';
import type { Packer } from './packer.ts';

/** Records gathered before they are deflated, which takes a million entries from 80 MiB to some 20. */
const chunkBytes = 1024 * 1024;

/** The records that end a zip, gathered while its entries are written; in memory, but small. */
export interface CentralDirectory {
  readonly entries: number;
  readonly sizeBytes: number;
  add(record: Uint8Array): void;
  /** All records in their order. Only once, at the end. */
  chunks(): AsyncGenerator<Uint8Array>;
  /** Waits until no thread works on it any more. */
  settle(): Promise<void>;
}

function unpack({ bytes, isDeflated, sizeBytes }: PartPacked): Uint8Array {
  if (!isDeflated) return bytes;
  // One byte more than there is, for zlib asks for another chunk, and joins the two, when the first one is just full.
  return inflateRawSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH, chunkSize: sizeBytes + 1 });
}

/** An empty directory; whatever fills a chunk is deflated by `packer`. */
export function createCentralDirectory(packer: Packer): CentralDirectory {
  const packed: Promise<PartPacked>[] = [];
  let chunk = Buffer.allocUnsafeSlow(16 * 1024);
  let used = 0;
  let entries = 0;
  let sizeBytes = 0;
  const makeRoom = (wanted: number): void => {
    if (used + wanted > chunkBytes && used > 0) {
      const work = packer.packBytes(new Uint8Array(chunk.subarray(0, used)));
      // Met by `chunks`; until then a failure must not count as unhandled.
      work.catch(() => undefined);
      packed.push(work);
      used = 0;
    }
    if (used + wanted <= chunk.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(used + wanted, Math.min(chunkBytes, 2 * chunk.length)));
    chunk.copy(larger, 0, 0, used);
    chunk = larger;
  };
  return {
    get entries() {
      return entries;
    },
    get sizeBytes() {
      return sizeBytes;
    },
    add(record) {
      makeRoom(record.length);
      chunk.set(record, used);
      used += record.length;
      entries += 1;
      sizeBytes += record.length;
    },
    async *chunks() {
      for (const part of packed) yield unpack(await part);
      yield chunk.subarray(0, used);
    },
    async settle() {
      await Promise.allSettled(packed);
    },
  };
}
