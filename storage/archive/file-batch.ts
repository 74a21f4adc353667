import type { LentName, WalkedEntry } from '../volume.ts';
import { entryNumbers, type FilesTask } from './pack-tasks.ts';
import type { ZipEntry } from './zip-format.ts';

/** Bounds of one batch: enough to make a message cheap, few enough to keep every thread busy. */
const batchEntriesMax = 64;
const batchBytesMax = 512 * 1024;
/** Each costs a descriptor while the batch is under way. */
const batchDirectoriesMax = 8;

/** An entry of a batch, as its writer needs it again. */
export interface Batched {
  readonly entry: ZipEntry;
  readonly path: readonly string[];
}

/** Directories and small files that are packed together. */
export interface FileBatch {
  readonly entries: readonly Batched[];
  /** Content expected, in bytes. */
  readonly sizeBytes: number;
  readonly isFull: boolean;
  /** `crc32` for all entries or for none: see {@link FilesTask.crcs}. */
  add(entry: ZipEntry, walked: WalkedEntry, crc32?: number | null): Promise<void>;
  /** What to give to a thread. */
  toTask(): Omit<FilesTask, 'kind'>;
  /** Gives back what was lent. Must be called when no thread works on the batch any more. */
  release(): void;
  /**
   * Forgets its entries once they are written. Garbage that has become old keeps alive what it refers to, and so from batch to
   * batch nearly everything, until old memory is collected, too: a batch that refers to nothing does not.
   */
  forget(): void;
}

/** Lends where a file lies until `until` settles. @throws as `WalkedEntry.open` */
function borrow(walked: WalkedEntry, until: Promise<void>): Promise<LentName> {
  return new Promise((resolve, reject) => {
    walked
      .lend((lent) => {
        resolve(lent);
        return until;
      })
      .catch(reject);
  });
}

interface Lent extends Batched {
  readonly lent: LentName | null;
  readonly crc32: number | null;
}

/** An empty batch. */
export function createFileBatch(): FileBatch {
  const entries: Lent[] = [];
  /** Of each directory the first file that was lent: as long as it is, the others need no loan of their own. */
  const directories = new Map<object, LentName>();
  let sizeBytes = 0;
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const placeOf = async (walked: WalkedEntry): Promise<LentName> => {
    const neighbour = directories.get(walked.within);
    if (neighbour !== undefined) return walked.beside(neighbour);
    const lent = await borrow(walked, released);
    directories.set(walked.within, lent);
    return lent;
  };
  return {
    entries,
    get sizeBytes() {
      return sizeBytes;
    },
    get isFull() {
      return (
        entries.length >= batchEntriesMax ||
        sizeBytes >= batchBytesMax ||
        directories.size >= batchDirectoriesMax
      );
    },
    async add(entry, walked, crc32 = null) {
      const isFile = walked.stat.kind === 'file';
      const lent = isFile ? await placeOf(walked) : null;
      entries.push({ entry, path: walked.path, lent, crc32 });
      if (isFile) sizeBytes += walked.stat.sizeBytes;
    },
    toTask: () => toTask(entries),
    release: () => release(),
    forget() {
      entries.length = 0;
      directories.clear();
    },
  };
}

function toTask(entries: readonly Lent[]): Omit<FilesTask, 'kind'> {
  const text = Buffer.concat(
    entries.flatMap(({ entry, lent }) => (lent === null ? [entry.name] : [entry.name, lent.name])),
  );
  const numbers = new Float64Array(entries.length * entryNumbers.count);
  for (const [index, { entry, lent }] of entries.entries()) {
    const fields = [entry.name.length, lent?.name.length ?? 0, lent?.directory ?? -1, entry.mode, entry.time];
    numbers.set(fields, index * entryNumbers.count);
  }
  return {
    device: entries.find(({ lent }) => lent !== null)?.lent?.device ?? 0n,
    // A copy, because what comes from Buffer's pool cannot be given away.
    text: new Uint8Array(text),
    numbers,
    inodes: BigUint64Array.from(entries, ({ lent }) => lent?.inode ?? 0n),
    crcs: entries.some(({ crc32 }) => crc32 === null)
      ? null
      : Float64Array.from(entries, ({ crc32 }) => crc32 ?? 0),
  };
}
