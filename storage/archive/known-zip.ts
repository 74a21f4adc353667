import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { EntryPath } from '../../domain/entry-path.ts';
import type { EntryStat, ReadableVolume, WalkedEntry } from '../volume.ts';
import {
  centralRecord,
  endRecords,
  isWide,
  localHeaderBytes,
  nameBytesMax,
  type ZipContent,
  type ZipEntry,
  zipEntry,
  zipMethods,
} from './zip-format.ts';

/** Entries whose checksums are looked up at once, and after which two walks are compared. */
const pageEntries = 512;
/** Larger trees are not looked over before the first byte goes out. */
const entriesMax = 100_000;

/** The CRC-32 of those files that are as they were when it was noted, by {@link EntryStat.version}. */
export type FindCrcs = (files: readonly EntryStat[]) => Promise<ReadonlyMap<string, number>>;

/** What to put in a zip whose checksums are known. */
export interface KnownZipOrder {
  readonly volume: ReadableVolume;
  readonly folderId: string;
  readonly paths: readonly EntryPath[];
  readonly findCrcs: FindCrcs;
}

/** A zip that is not made yet, but known to the byte. */
export interface KnownZip {
  readonly sizeBytes: number;
  /** Where the central directory begins, and how many entries it has. */
  readonly centralOffset: number;
  readonly entries: number;
  /** Lower-case hex; equal only for equal bytes, as far as inode, size, time and CRC-32 tell. */
  readonly digest: string;
  /** A checksum over everything so far, after each page. */
  readonly pages: readonly number[];
}

/** An entry of a zip, and where it lies: its header at `offset`, the next entry at `end`. Files are stored. */
export interface KnownEntry {
  readonly walked: WalkedEntry;
  readonly entry: ZipEntry;
  readonly content: ZipContent;
  readonly offset: number;
  readonly end: number;
  readonly record: Buffer;
}

/** Thrown by {@link walkKnown} when something of the tree cannot be in such a zip. */
export class NotKnownError extends Error {
  constructor() {
    super('Not every file has a checksum.');
    this.name = 'NotKnownError';
  }
}

function refuse(): never {
  throw new NotKnownError();
}

/** What is done with an entry in the moment it is walked. */
type Keep = (walked: WalkedEntry) => WalkedEntry;

async function* walkPages(
  order: KnownZipOrder,
  signal: AbortSignal,
  keep: Keep,
): AsyncGenerator<readonly WalkedEntry[]> {
  let page: WalkedEntry[] = [];
  for (const path of order.paths) {
    for await (const walked of order.volume.walk(order.folderId, path, { signal, onSkip: refuse })) {
      // The folder itself is the root of the archive and needs no entry.
      if (walked.path.length === 0) continue;
      page.push(keep(walked));
      if (page.length < pageEntries) continue;
      yield page;
      page = [];
    }
  }
  if (page.length > 0) yield page;
}

function place(walked: WalkedEntry, crc: number | undefined, offset: number): KnownEntry {
  const isFile = walked.stat.kind === 'file';
  if (isFile && crc === undefined) refuse();
  const entry = zipEntry(walked.path, walked.stat);
  if (entry.name.length > nameBytesMax) refuse();
  const sizeBytes = isFile ? walked.stat.sizeBytes : 0;
  const content = { method: zipMethods.stored, crc32: crc ?? 0, packedBytes: sizeBytes, sizeBytes };
  const end = offset + localHeaderBytes(entry.name.length, { is64: isWide(content) }) + sizeBytes;
  const record = centralRecord(entry, { ...content, hasDescriptor: false }, offset);
  return { walked, entry, content, offset, end, record };
}

/**
 * Walks the chosen paths and says of every entry where it lies in the zip, page by page. `check` is a checksum over all
 * there was so far. `keep` may hold on to an entry in the moment it is walked.
 * @throws NotKnownError when a file has no checksum, or anything would have to be left out
 */
export async function* walkKnown(
  order: KnownZipOrder,
  signal: AbortSignal,
  keep: Keep = (walked) => walked,
): AsyncGenerator<{ readonly entries: readonly KnownEntry[]; readonly check: number }> {
  let offset = 0;
  let check = 0;
  for await (const page of walkPages(order, signal, keep)) {
    const files = page.filter(({ stat }) => stat.kind === 'file').map(({ stat }) => stat);
    const crcs = files.length === 0 ? new Map<string, number>() : await order.findCrcs(files);
    const entries: KnownEntry[] = [];
    for (const walked of page) {
      const known = place(walked, crcs.get(walked.stat.version), offset);
      offset = known.end;
      check = crc32(walked.stat.version, crc32(known.record, check));
      entries.push(known);
    }
    yield { entries, check };
  }
}

/**
 * Looks over a tree and tells the zip that it would make, without reading a file; `null` when it cannot be told: a file
 * has no checksum that still holds, something would have to be left out, or there is too much of it.
 */
export async function planKnownZip(order: KnownZipOrder, signal: AbortSignal): Promise<KnownZip | null> {
  const hash = createHash('sha256');
  const pages: number[] = [];
  let count = 0;
  let centralOffset = 0;
  let centralBytes = 0;
  try {
    for await (const { entries, check } of walkKnown(order, signal)) {
      for (const { walked, record, end } of entries) {
        hash.update(record).update(walked.stat.version);
        centralBytes += record.length;
        centralOffset = end;
      }
      count += entries.length;
      pages.push(check);
      if (count > entriesMax) return null;
    }
  } catch (error) {
    if (error instanceof NotKnownError) return null;
    throw error;
  }
  const place = { entries: count, offset: centralOffset, sizeBytes: centralBytes };
  const sizeBytes = centralOffset + centralBytes + endRecords(place).length;
  return { sizeBytes, centralOffset, entries: count, digest: hash.digest('hex'), pages };
}
