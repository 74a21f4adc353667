import type { Writable } from 'node:stream';
import { crc32 } from 'node:zlib';
import { domainError } from '../../domain/errors.ts';
import type { OpenFile } from '../volume.ts';
import { type CentralDirectory, createCentralDirectory } from './central-directory.ts';
import { createFileBatch, type FileBatch } from './file-batch.ts';
import { createHeldPlaces, type HeldPlaces } from './held-places.ts';
import { type KnownEntry, type KnownZip, type KnownZipOrder, NotKnownError, walkKnown } from './known-zip.ts';
import type { OrderedSteps } from './ordered-steps.ts';
import { type Output, openOutput } from './output.ts';
import { type FilesPacked, packedNumbers, packOutcomes, smallFileBytesMax } from './pack-tasks.ts';
import { endRecords, localHeader } from './zip-format.ts';
import { createPackSteps } from './zip-state.ts';

/** Bytes of the whole, both ends included. */
export interface ByteSpan {
  readonly start: number;
  readonly end: number;
}

/** A part of a known zip to write. */
export interface KnownZipPart extends KnownZipOrder {
  readonly zip: KnownZip;
  readonly span: ByteSpan;
  readonly sink: Writable;
  readonly signal: AbortSignal;
  /** Told of files that have another content than their checksum says. */
  readonly onMismatch: (inodes: readonly string[]) => void;
}

interface Writing {
  readonly part: KnownZipPart;
  readonly output: Output;
  readonly steps: OrderedSteps;
  readonly places: HeldPlaces;
  batch: { readonly files: FileBatch; readonly entries: KnownEntry[] };
}

function changed(): Error {
  return domainError('entry_changed', 'A file changed while it was sent.');
}

/** Writes what of `bytes`, which lie at `offset` of the whole, belongs to the span. */
async function writeAt({ output, part }: Writing, offset: number, bytes: Uint8Array): Promise<void> {
  const { start, end } = part.span;
  const from = Math.max(0, start - offset);
  const to = Math.min(bytes.length, end + 1 - offset);
  if (from < to) await output.write(bytes.subarray(from, to));
}

async function writeBatch(
  writing: Writing,
  entries: readonly KnownEntry[],
  packed: FilesPacked,
): Promise<void> {
  const lost = entries.filter(
    (_, index) =>
      packed.numbers[index * packedNumbers.count + packedNumbers.outcome] !== packOutcomes.indexOf('whole'),
  );
  if (lost.length > 0) {
    writing.part.onMismatch(lost.map(({ walked }) => walked.stat.inode));
    throw changed();
  }
  const [first] = entries;
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return;
  if (packed.bytes.length !== last.end - first.offset) throw changed();
  await writeAt(writing, first.offset, packed.bytes);
}

async function flush(writing: Writing): Promise<void> {
  const { files, entries } = writing.batch;
  if (entries.length === 0) return;
  writing.batch = { files: createFileBatch(), entries: [] };
  const work = writing.part.volume.packer.packFiles(files.toTask()).finally(() => files.release());
  await writing.steps.push(files.sizeBytes, work, async (packed) => {
    await writeBatch(writing, entries, packed);
    files.forget();
    entries.length = 0;
  });
}

/** The content from where the span begins. Its checksum is compared when all of it was read. */
async function writeContent(writing: Writing, known: KnownEntry, file: OpenFile): Promise<void> {
  const { walked, content, offset, end } = known;
  if (file.stat.version !== walked.stat.version) throw changed();
  const contentOffset = end - content.sizeBytes;
  await writeAt(writing, offset, localHeader(known.entry, content));
  let at = Math.max(contentOffset, writing.part.span.start);
  let crc = 0;
  const isWhole = at === contentOffset;
  const last = Math.min(end - 1, writing.part.span.end);
  for await (const chunk of file.stream({ start: at - contentOffset, end: last - contentOffset })) {
    const bytes: Uint8Array = chunk;
    if (isWhole) crc = crc32(bytes, crc);
    // The last bytes are held back until the checksum was compared, so that a wrong content is never whole.
    if (isWhole && at + bytes.length === end && crc !== content.crc32) {
      writing.part.onMismatch([walked.stat.inode]);
      throw changed();
    }
    await writeAt(writing, at, bytes);
    at += bytes.length;
  }
  if (at !== last + 1) throw changed();
}

async function writeLarge(writing: Writing, known: KnownEntry): Promise<void> {
  await flush(writing);
  await writing.steps.drain();
  const file = await known.walked.open();
  try {
    await writeContent(writing, known, file);
  } finally {
    await file.close();
  }
}

async function writeEntry(writing: Writing, known: KnownEntry): Promise<void> {
  const { walked, entry, content } = known;
  if (walked.stat.kind === 'file' && walked.stat.sizeBytes > smallFileBytesMax) {
    await writeLarge(writing, known);
    return;
  }
  await writing.batch.files.add(entry, walked, content.crc32);
  writing.batch.entries.push(known);
  if (writing.batch.files.isFull) await flush(writing);
}

async function writeEntries(writing: Writing, central: CentralDirectory): Promise<void> {
  const { part, output } = writing;
  let pages = 0;
  for await (const { entries, check } of walkKnown(part, output.signal, writing.places.hold)) {
    // The tree is not what it was when the head of the answer was made.
    if (check !== part.zip.pages[pages]) throw changed();
    pages += 1;
    for (const known of entries) {
      const { entry, content, offset } = known;
      central.add({ entry, content: { ...content, hasDescriptor: false }, offset });
      if (known.end <= part.span.start) continue;
      if (known.offset > part.span.end) return;
      await writeEntry(writing, known);
    }
    writing.places.release();
  }
  if (pages !== part.zip.pages.length) throw changed();
}

/**
 * Writes a part of a known zip into `sink` and ends it. Every byte is of the zip that was planned: a second walk is
 * compared with the first page by page, every file with its inode, size, time and, where it is written whole, CRC-32.
 * Whatever differs destroys the sink.
 * @throws entry_changed when something changed; the signal's reason
 */
export async function writeKnownZip(part: KnownZipPart): Promise<void> {
  const { zip, span } = part;
  const output = openOutput(part);
  const steps = createPackSteps(part.volume.packer);
  const writing: Writing = {
    part,
    output,
    steps,
    places: createHeldPlaces(),
    batch: { files: createFileBatch(), entries: [] },
  };
  const central = createCentralDirectory();
  try {
    await writeEntries(writing, central);
    await flush(writing);
    await steps.drain();
    let at = zip.centralOffset;
    if (span.end >= at) {
      for (const chunk of central.chunks(() => Buffer.allocUnsafeSlow(central.chunkBytes))) {
        await writeAt(writing, at, chunk);
        at += chunk.length;
      }
      const { entries, centralOffset: offset } = zip;
      await writeAt(writing, at, endRecords({ entries, offset, sizeBytes: at - offset }));
    }
    await output.end();
  } catch (error) {
    // It was known when the head of the answer was made.
    const failure = error instanceof NotKnownError ? changed() : error;
    output.fail(failure);
    throw failure;
  } finally {
    writing.batch.files.release();
    writing.places.release();
    await steps.settle();
  }
}
