import { crc32 } from 'node:zlib';
import { closeLent, openLent, readFully, type Unreadable } from '../posix/handles/read-lent.ts';
import type { Done } from '../threads/serve-tasks.ts';
import { deflateWhole } from './deflate.ts';
import {
  entryNumbers,
  type FilesPacked,
  type FilesTask,
  packedNumbers,
  packOutcomes,
  smallFileBytesMax,
} from './pack-tasks.ts';
import {
  localHeaderBytes,
  writeLocalHeader,
  type ZipContent,
  type ZipEntry,
  zipMethods,
} from './zip-format.ts';

/** One entry of a task. */
interface Ordered {
  readonly entry: ZipEntry;
  readonly component: Buffer;
  /** Handle of the directory that it is in, or -1 for a directory. */
  readonly directory: number;
  readonly inode: bigint;
  /** The CRC-32 that content must have to be stored unpacked; `null` when it is to be packed. */
  readonly crc32: number | null;
}

/** Content as it was found; `missingBytes` were promised by the size and are zeros. */
interface Content {
  readonly raw: Uint8Array;
  readonly missingBytes: number;
}

/** Where files are read to and packed; kept from task to task, for fresh memory has to be zeroed by the kernel. */
interface Bench {
  readonly raw: Buffer;
  out: Buffer;
}

const bench: Bench = {
  raw: Buffer.allocUnsafeSlow(smallFileBytesMax),
  out: Buffer.allocUnsafeSlow(1024 * 1024),
};
const nothing: Content = { raw: new Uint8Array(0), missingBytes: 0 };

function* entriesOf(task: FilesTask): Generator<Ordered> {
  const { numbers, inodes } = task;
  const text = Buffer.from(task.text.buffer, task.text.byteOffset, task.text.length);
  let at = 0;
  const take = (length: number): Buffer => {
    at += length;
    return text.subarray(at - length, at);
  };
  for (const [index, inode] of inodes.entries()) {
    const field = (name: keyof typeof entryNumbers) =>
      numbers[index * entryNumbers.count + entryNumbers[name]] ?? 0;
    const name = take(field('nameBytes'));
    const component = take(field('componentBytes'));
    const entry = { name, mode: field('mode'), time: field('time') };
    yield { entry, component, directory: field('directory'), inode, crc32: task.crcs?.[index] ?? null };
  }
}

/** Size by fstat of what was opened; what the file has grown by beyond a small one's size is cut off. */
function readContent({ component, directory, inode }: Ordered, device: bigint): Unreadable | Content {
  if (directory < 0) return nothing;
  const opened = openLent({ directory, name: component, inode, device });
  if (typeof opened === 'string') return opened;
  try {
    const sizeBytes = Math.min(Number(opened.stat.size), smallFileBytesMax);
    const raw = bench.raw.subarray(0, sizeBytes);
    const filled = readFully(opened.fd, raw, 0);
    raw.fill(0, filled);
    return { raw, missingBytes: sizeBytes - filled };
  } finally {
    closeLent(opened.fd);
  }
}

function makeRoom(used: number, wanted: number): void {
  if (bench.out.length - used >= wanted) return;
  const larger = Buffer.allocUnsafeSlow(2 * (used + wanted));
  bench.out.copy(larger, 0, 0, used);
  bench.out = larger;
}

function outcomeOf({ crc32: known }: Ordered, { missingBytes }: Content, crc: number) {
  if (known !== null && known !== crc) return 'changed';
  return missingBytes > 0 ? 'shortened' : 'whole';
}

/** Appends header and content behind `used` bytes of the bench. @returns where they end, and what was packed */
function append(
  { entry, crc32: known }: Ordered,
  raw: Uint8Array,
  used: number,
): { end: number; content: ZipContent } {
  const deflated = raw.length === 0 || known !== null ? null : deflateWhole(raw);
  const packed = deflated ?? raw;
  const content = {
    method: deflated === null ? zipMethods.stored : zipMethods.deflated,
    crc32: crc32(raw),
    packedBytes: packed.length,
    sizeBytes: raw.length,
  };
  makeRoom(used, localHeaderBytes(entry.name.length, { is64: false }) + packed.length);
  const start = writeLocalHeader(bench.out, used, entry, content);
  bench.out.set(packed, start);
  return { end: start + packed.length, content };
}

/** Files whose times tell something of the storage. */
const timedMin = 16;

/** The middle of the times, which a preempted thread does not move; `times` is sorted. */
function middleMs(times: number[]): number {
  if (times.length < timedMin) return 0;
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

/** Reads and packs entries in their order. @throws the plain error of a system call when the volume fails */
export function packFiles(task: FilesTask): Done<FilesPacked> {
  const numbers = new Float64Array(task.inodes.length * packedNumbers.count);
  let used = 0;
  let at = 0;
  const readTimes: number[] = [];
  for (const ordered of entriesOf(task)) {
    const startedAt = performance.now();
    const found = readContent(ordered, task.device);
    if (ordered.directory >= 0) readTimes.push(performance.now() - startedAt);
    if (typeof found === 'string') {
      numbers.set([-1, 0, 0, 0, 0, packOutcomes.indexOf(found)], at);
    } else {
      const { end, content } = append(ordered, found.raw, used);
      const outcome = packOutcomes.indexOf(outcomeOf(ordered, found, content.crc32));
      const { method, crc32: crc, packedBytes, sizeBytes } = content;
      numbers.set([used, method, crc, packedBytes, sizeBytes, outcome], at);
      used = end;
    }
    at += packedNumbers.count;
  }
  const bytes = new Uint8Array(bench.out.subarray(0, used));
  const readMs = middleMs(readTimes);
  return { result: { kind: 'files', bytes, numbers, readMs }, transfer: [bytes.buffer, numbers.buffer] };
}
