import { Stats } from 'node:fs';
import type { EntryData } from 'archiver';
import type { EntryStat } from '../volume.ts';

/** The containers that can be written. `tar.gz` is `tar` in one gzip member. */
export const archiveFormats = ['zip', 'tar', 'tar.gz'] as const;

/** One of {@link archiveFormats}. */
export type ArchiveFormat = (typeof archiveFormats)[number];

/** The name field of a zip entry has 16 bits for its length (APPNOTE 4.4.10); tar is held to the same. */
export const entryNameBytesMax = 65_535;

/** What the archive library is told of one entry; `pax` are records of a POSIX.1-2001 extended header. */
export interface EntryFields extends EntryData {
  readonly name: string;
  pax?: Record<string, string>;
}

// The ustar time field is read as a signed 32 bit number by the tar library; later or earlier goes into a pax record.
const ustarSecondsMax = 2 ** 31 - 1;
/** The library takes everything before the first colon for a drive letter and cuts it off, unless this precedes it. */
const noDriveLetter = './';

/** The name for the fixed tar header, in a form that the library leaves alone. */
function ustarName(name: string): string {
  const plain = name.replaceAll('\\', '_');
  return /^\w+:/.test(plain) ? noDriveLetter + plain : plain;
}

function paxRecords(name: string, ustar: string, seconds: number): Record<string, string> | undefined {
  const records: Record<string, string> = {};
  if (ustar !== name) records.path = name;
  if (seconds < 0 || seconds > ustarSecondsMax) records.mtime = String(seconds);
  return Object.keys(records).length === 0 ? undefined : records;
}

function tarFields(name: string, mtime: number): Pick<EntryFields, 'name' | 'date' | 'pax'> {
  const seconds = Math.floor(mtime);
  const ustar = ustarName(name);
  const pax = paxRecords(name, ustar, seconds);
  const date = new Date(Math.min(Math.max(seconds, 0), ustarSecondsMax) * 1000);
  return pax === undefined ? { name: ustar, date } : { name: ustar, date, pax };
}

/** The library wants the size of a streamed tar entry in this shape and reads nothing else of it. */
function statsOfSize(sizeBytes: number): Stats {
  return Object.assign(Object.create(Stats.prototype), { size: sizeBytes });
}

/**
 * The tar header of one entry: relative name (`path` joined by `/`), permission bits without set-id and sticky bits,
 * modification time, and for a file exactly `sizeBytes` of content to come.
 */
export function entryFields(entry: {
  readonly path: readonly string[];
  readonly stat: EntryStat;
  readonly sizeBytes: number;
}): EntryFields {
  const { stat } = entry;
  const isDirectory = stat.kind === 'directory';
  const fields: EntryFields = {
    ...tarFields(entry.path.join('/') + (isDirectory ? '/' : ''), stat.mtime),
    type: isDirectory ? 'directory' : 'file',
    mode: stat.mode & 0o777,
  };
  return isDirectory ? fields : { ...fields, stats: statsOfSize(entry.sizeBytes) };
}
