import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { promisify } from 'node:util';
import { type EntryPath, splitEntryPath } from '../../../domain/entry-path.ts';
import { domainError } from '../../../domain/errors.ts';
import type { EntryStat, ListedEntry, ListOptions, ListPage } from '../../volume.ts';
import { openArea, type VolumeRoot } from '../folder-areas.ts';
import { descend } from '../handles/descend.ts';
import { type Directory, statDirectory, withDirectory } from '../handles/directory.ts';
import { type ByteName, decodeName, nameFromBytes, pathOf } from '../handles/entry-name.ts';
import type { ReadingThreads } from '../volume-threads/reading-threads.ts';

const opendir = promisify(fs.opendir);

/** Entries fetched per system call. */
const batchEntries = 256;
/** Entries that one call looks at, one after the other, and how many such calls there are at once. */
const groupEntries = 16;
const groupsMax = 8;
/** Readers kept open between pages, and for how long. */
const readersMax = 64;
const readerIdleMs = 60_000;

/** Reads the names of one directory in directory order; pages continue where it stands. */
interface Reader {
  /** Device and inode of the directory, with the folder: a cursor of another directory must not reach this reader. */
  readonly owner: string;
  next(): Promise<ByteName | null>;
  /** Up to `wanted` names; fewer only at the end. */
  nextOnes(wanted: number): Promise<ByteName[]>;
  /** Tells, by reading one name ahead, whether `next` will answer `null`. */
  isAtEnd(): Promise<boolean>;
  close(): void;
}

/** Where a page ended: which reader stands there, how many names came before, and the last of them. */
interface Cursor {
  readonly readerId: string;
  readonly count: number;
  readonly last: ByteName;
}

function formatCursor({ readerId, count, last }: Cursor): string {
  return `${readerId}.${count}.${Buffer.from(last, 'latin1').toString('base64url')}`;
}

const cursorForm = /^([0-9a-f]{16})\.([0-9]{1,15})\.([A-Za-z0-9_-]{1,344})$/;

function parseCursor(text: string): Cursor {
  const [, readerId, count, last] = cursorForm.exec(text) ?? [];
  if (readerId === undefined || count === undefined || last === undefined) {
    throw domainError('request_malformed', 'The cursor is not one that a listing gave.');
  }
  return { readerId, count: Number(count), last: Buffer.from(last, 'base64url').toString('latin1') };
}

async function openReader(directory: Directory, owner: string): Promise<Reader> {
  const reader = await directory.using(
    (fd) => opendir(pathOf(fd), { encoding: 'latin1', bufferSize: batchEntries }),
    { onLate: (late) => void late.close().catch(() => undefined) },
  );
  let isOpen = true;
  let ahead: ByteName | null = null;
  const { bulkhead } = directory;
  const read = async (): Promise<ByteName | null> => (await bulkhead.run(() => reader.read()))?.name ?? null;
  return {
    owner,
    async next() {
      const name = ahead ?? (await read());
      ahead = null;
      return name;
    },
    // One call for all of them: nearly every name is in memory already.
    nextOnes: (wanted) =>
      bulkhead.run(async () => {
        const names: ByteName[] = ahead === null ? [] : [ahead];
        ahead = null;
        while (names.length < wanted) {
          const entry = await reader.read();
          if (entry === null) break;
          names.push(entry.name);
        }
        return names;
      }),
    async isAtEnd() {
      ahead ??= await read();
      return ahead === null;
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      bulkhead.run(() => reader.close(), { kind: 'owed' }).catch(() => undefined);
    },
  };
}

/** Readers that stand at the end of a page, so that page n costs what page 1 does. Bounded in number and in time. */
export interface ReaderCache {
  /** Leaves a reader for the page that comes next. @returns its id */
  keep(reader: Reader): string;
  /** Takes the reader out again, if it is still there and belongs to that directory. */
  take(readerId: string, owner: string): Reader | null;
  /** Closes them all. */
  close(): void;
}

/** Makes an empty cache. Idle readers are closed without keeping the process alive. */
export function createReaderCache(): ReaderCache {
  const kept = new Map<string, { readonly reader: Reader; readonly timer: NodeJS.Timeout }>();
  const drop = (readerId: string): Reader | null => {
    const found = kept.get(readerId);
    if (found === undefined) return null;
    clearTimeout(found.timer);
    kept.delete(readerId);
    return found.reader;
  };
  return {
    keep(reader) {
      const readerId = randomBytes(8).toString('hex');
      const timer = setTimeout(() => drop(readerId)?.close(), readerIdleMs).unref();
      kept.set(readerId, { reader, timer });
      const [oldest] = kept.keys();
      if (kept.size > readersMax && oldest !== undefined) drop(oldest)?.close();
      return readerId;
    },
    take(readerId, owner) {
      if (kept.get(readerId)?.reader.owner !== owner) return null;
      return drop(readerId);
    },
    close() {
      for (const readerId of [...kept.keys()]) drop(readerId)?.close();
    },
  };
}

/**
 * A reader that stands behind the cursor when the one that gave it is gone (another process, a page asked for twice):
 * reads again up to the last name. When that name was removed meanwhile, as many names as came before are passed over,
 * which may miss or repeat as many entries as were removed or added since.
 */
async function readAgain(directory: Directory, owner: string, cursor: Cursor): Promise<Reader> {
  const reader = await openReader(directory, owner);
  for (let name = await reader.next(); name !== null; name = await reader.next()) {
    if (name === cursor.last) return reader;
  }
  reader.close();
  const second = await openReader(directory, owner);
  for (let passed = 0; passed < cursor.count; passed += 1) await second.next();
  return second;
}

function toListed(stat: EntryStat, name: ByteName): ListedEntry {
  const { text, isAddressable } = decodeName(nameFromBytes(name));
  return Object.assign(stat, { name: text, isAddressable });
}

/** What is there of these names, in their order; each group in one task, which keeps one thread. */
export async function lookAt(
  reads: ReadingThreads,
  directory: Directory,
  names: readonly ByteName[],
): Promise<ListedEntry[]> {
  const groups: (readonly ByteName[])[] = [];
  for (let start = 0; start < names.length; start += groupEntries) {
    groups.push(names.slice(start, start + groupEntries));
  }
  const found = await Promise.all(groups.map((group) => reads.stat(directory, group)));
  return found.flat().flatMap((stat, index) => {
    const name = names[index];
    return stat === null || name === undefined ? [] : [toListed(stat, name)];
  });
}

interface ReadPage {
  readonly entries: readonly ListedEntry[];
  /** Names passed, vanished entries included. */
  readonly count: number;
  readonly last: ByteName | null;
}

/** The next `limit` entries, or fewer at the end; what vanishes between reading and looking is left out. */
async function readPage(
  reads: ReadingThreads,
  directory: Directory,
  reader: Reader,
  limit: number,
): Promise<ReadPage> {
  const entries: ListedEntry[] = [];
  let count = 0;
  let last: ByteName | null = null;
  while (entries.length < limit) {
    const names = await reader.nextOnes(Math.min(groupEntries * groupsMax, limit - entries.length));
    if (names.length === 0) break;
    entries.push(...(await lookAt(reads, directory, names)));
    count += names.length;
    last = names.at(-1) ?? last;
  }
  return { entries, count, last };
}

async function startReader(
  directory: Directory,
  readers: ReaderCache,
  place: { readonly owner: string; readonly cursor: Cursor | null },
): Promise<Reader> {
  const { owner, cursor } = place;
  if (cursor === null) return openReader(directory, owner);
  return readers.take(cursor.readerId, owner) ?? readAgain(directory, owner, cursor);
}

async function listDirectory(
  directory: Directory,
  folderId: string,
  { readers, reads }: { readonly readers: ReaderCache; readonly reads: ReadingThreads },
  options: ListOptions,
): Promise<ListPage> {
  const { dev, ino } = await statDirectory(directory);
  const owner = `${folderId}:${dev}:${ino}`;
  const cursor = options.cursor === undefined ? null : parseCursor(options.cursor);
  const reader = await startReader(directory, readers, { owner, cursor });
  try {
    const { entries, count, last } = await readPage(reads, directory, reader, options.limit);
    if (last === null || (await reader.isAtEnd())) {
      reader.close();
      return { entries, nextCursor: null };
    }
    const readerId = readers.keep(reader);
    const passed = (cursor?.count ?? 0) + count;
    return { entries, nextCursor: formatCursor({ readerId, count: passed, last }) };
  } catch (error) {
    reader.close();
    throw error;
  }
}

/** Opens the directory to list. @throws entry_not_found; entry_conflict for anything else than a directory */
export async function openListed(root: VolumeRoot, folderId: string, path: EntryPath): Promise<Directory> {
  const data = await openArea(root, folderId, 'data');
  try {
    if (path.length === 0) return data.share();
    const { parent, name } = splitEntryPath(path);
    return await withDirectory(descend(data, parent, 'entry_not_found'), (directory) =>
      descend(directory, [name], 'entry_conflict'),
    );
  } finally {
    await data.close();
  }
}

/**
 * `Volume.list`. The page after this one continues the same open reader when it is asked of this process within a
 * minute; otherwise the directory is read again up to the cursor, which costs one pass over the names before it.
 * @throws also request_malformed for a cursor that no listing gave
 */
export function listEntries(
  root: VolumeRoot,
  readers: ReaderCache,
  target: { readonly folderId: string; readonly path: EntryPath },
  options: ListOptions,
): Promise<ListPage> {
  return withDirectory(openListed(root, target.folderId, target.path), (directory) =>
    listDirectory(directory, target.folderId, { readers, reads: root.reads }, options),
  );
}
