import { isWide, localHeaderBytes, type ZipContent, type ZipEntry, zipMethods } from './zip-format.ts';

/** What a record of the central directory says of one entry. */
export interface CentralNote {
  readonly entry: ZipEntry;
  readonly content: ZipContent & { readonly hasDescriptor: boolean };
  /** Where its local header begins. */
  readonly offset: number;
}

/** Notes in the order in which they were added, in some ten bytes each where names resemble those before them. */
export interface CentralNotes {
  /** Entries come in the order of their offsets. */
  add(note: CentralNote): void;
  /** All notes. The name of one is good until the next one is asked for. */
  read(): Generator<CentralNote>;
}

const chunkBytesMin = 16 * 1024;
const chunkBytesMax = 256 * 1024;
/** Everything but the name: bits, five numbers of up to eight bytes, two lengths and a checksum. */
const fieldBytesMax = 64;

/** What is as it was with the entry before, or as it is with most entries, is a bit in place of a number. */
const bits = {
  isDeflated: 1,
  hasDescriptor: 2,
  hasMode: 4,
  hasTime: 8,
  hasCrc: 16,
  hasPackedBytes: 32,
  hasOffset: 64,
} as const;

/** The times that a zip can say; whatever is beyond looks the same in one. */
const timeMin = -(2 ** 31);
const timeMax = 2 ** 32;

/** What numbers are compared with: of the entry before. */
interface Previous {
  mode: number;
  time: number;
  /** Where an entry begins that follows it at once. */
  next: number;
}

/** A place in a chunk to write to or read from. */
interface Cursor {
  chunk: Buffer;
  at: number;
}

function follow(previous: Previous, { entry, content, offset }: CentralNote): void {
  const header = localHeaderBytes(entry.name.length, { is64: isWide(content) });
  previous.mode = entry.mode;
  previous.time = entry.time;
  previous.next = offset + header + content.packedBytes;
}

/** Seven bits to a byte, the lowest first; the numbers go beyond 32 bits. */
function writeNumber(cursor: Cursor, value: number): void {
  let rest = value;
  while (rest >= 128) {
    cursor.chunk[cursor.at] = (rest % 128) + 128;
    cursor.at += 1;
    rest = Math.floor(rest / 128);
  }
  cursor.chunk[cursor.at] = rest;
  cursor.at += 1;
}

function readNumber(cursor: Cursor): number {
  let value = 0;
  for (let scale = 1; ; scale *= 128) {
    const byte = cursor.chunk[cursor.at] ?? 0;
    cursor.at += 1;
    value += (byte % 128) * scale;
    if (byte < 128) return value;
  }
}

/** Differences of either sign, small ones in few bytes. */
function writeDifference(cursor: Cursor, value: number): void {
  writeNumber(cursor, value < 0 ? -2 * value - 1 : 2 * value);
}

function readDifference(cursor: Cursor): number {
  const folded = readNumber(cursor);
  return folded % 2 === 0 ? folded / 2 : -(folded + 1) / 2;
}

function sharedBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  let shared = 0;
  while (shared < length && a[shared] === b[shared]) shared += 1;
  return shared;
}

function bitsOf({ entry, content, offset }: CentralNote, previous: Previous): number {
  return (
    (content.method === zipMethods.deflated ? bits.isDeflated : 0) |
    (content.hasDescriptor ? bits.hasDescriptor : 0) |
    (entry.mode === previous.mode ? 0 : bits.hasMode) |
    (entry.time === previous.time ? 0 : bits.hasTime) |
    (content.crc32 === 0 ? 0 : bits.hasCrc) |
    (content.packedBytes === content.sizeBytes ? 0 : bits.hasPackedBytes) |
    (offset === previous.next ? 0 : bits.hasOffset)
  );
}

function writeFields(cursor: Cursor, { entry, content, offset }: CentralNote, previous: Previous): void {
  const flags = bitsOf({ entry, content, offset }, previous);
  cursor.chunk[cursor.at] = flags;
  cursor.at += 1;
  writeNumber(cursor, content.sizeBytes);
  if (flags & bits.hasMode) writeNumber(cursor, entry.mode);
  if (flags & bits.hasTime) writeDifference(cursor, entry.time - previous.time);
  if (flags & bits.hasCrc) cursor.at = cursor.chunk.writeUInt32LE(content.crc32, cursor.at);
  if (flags & bits.hasPackedBytes) writeNumber(cursor, content.packedBytes);
  if (flags & bits.hasOffset) writeNumber(cursor, offset);
}

function readFields(cursor: Cursor, previous: Previous): Omit<CentralNote, 'entry'> & Omit<ZipEntry, 'name'> {
  const flags = readNumber(cursor);
  const sizeBytes = readNumber(cursor);
  const mode = flags & bits.hasMode ? readNumber(cursor) : previous.mode;
  const time = flags & bits.hasTime ? previous.time + readDifference(cursor) : previous.time;
  const crc32 = flags & bits.hasCrc ? cursor.chunk.readUInt32LE(cursor.at) : 0;
  if (flags & bits.hasCrc) cursor.at += 4;
  const packedBytes = flags & bits.hasPackedBytes ? readNumber(cursor) : sizeBytes;
  const offset = flags & bits.hasOffset ? readNumber(cursor) : previous.next;
  const method = flags & bits.isDeflated ? zipMethods.deflated : zipMethods.stored;
  const hasDescriptor = (flags & bits.hasDescriptor) !== 0;
  return { mode, time, offset, content: { method, crc32, packedBytes, sizeBytes, hasDescriptor } };
}

function* readChunks(chunks: readonly Cursor[]): Generator<CentralNote> {
  const previous: Previous = { mode: 0, time: 0, next: 0 };
  const name = Buffer.allocUnsafeSlow(2 ** 16);
  for (const { chunk, at: end } of chunks) {
    const cursor = { chunk, at: 0 };
    while (cursor.at < end) {
      const { mode, time, content, offset } = readFields(cursor, previous);
      const shared = readNumber(cursor);
      const own = readNumber(cursor);
      chunk.copy(name, shared, cursor.at, cursor.at + own);
      cursor.at += own;
      const note = { entry: { name: name.subarray(0, shared + own), mode, time }, content, offset };
      yield note;
      follow(previous, note);
    }
  }
}

/** No notes yet. */
export function createCentralNotes(): CentralNotes {
  const chunks: Cursor[] = [];
  const previous: Previous = { mode: 0, time: 0, next: 0 };
  let previousName: Uint8Array = new Uint8Array(0);
  const roomFor = (wanted: number): Cursor => {
    const last = chunks.at(-1);
    if (last !== undefined && last.chunk.length - last.at >= wanted) return last;
    const usual = Math.min(chunkBytesMax, chunkBytesMin * 2 ** chunks.length);
    const fresh = { chunk: Buffer.allocUnsafeSlow(Math.max(wanted, usual)), at: 0 };
    chunks.push(fresh);
    return fresh;
  };
  return {
    add({ entry, content, offset }) {
      const { name } = entry;
      const time = Math.floor(Math.min(Math.max(entry.time, timeMin), timeMax));
      const note = { entry: { name, mode: entry.mode, time }, content, offset };
      const cursor = roomFor(fieldBytesMax + name.length);
      writeFields(cursor, note, previous);
      const shared = sharedBytes(previousName, name);
      writeNumber(cursor, shared);
      writeNumber(cursor, name.length - shared);
      cursor.chunk.set(name.subarray(shared), cursor.at);
      cursor.at += name.length - shared;
      follow(previous, note);
      previousName = name;
    },
    read: () => readChunks(chunks),
  };
}
