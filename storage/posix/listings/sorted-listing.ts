import type { EntryPath } from '../../../domain/entry-path.ts';
import { type DomainError, domainError } from '../../../domain/errors.ts';
import {
  type ListedEntry,
  type ListPage,
  type SortedListOptions,
  type SortOrder,
  sortedEntriesMax,
} from '../../volume.ts';
import type { VolumeRoot } from '../folder-areas.ts';
import { type Directory, statDirectory, withDirectory } from '../handles/directory.ts';
import type { ByteName } from '../handles/entry-name.ts';
import { createTimeSlice } from '../time-slice.ts';
import type { ReadingThreads } from '../volume-threads/reading-threads.ts';
import { lookAt, openListed } from './listing.ts';
import { compareRows, type SortedRow, sortRows } from './sorted-rows.ts';

/** Entries looked at together. */
const batchEntries = 256;
/** How long the order of a directory is kept for its next page, and how many rows of all of them. */
const idleMs = 60_000;
const rowsMax = 400_000;

type Rows = readonly SortedRow[];

/** Orders of directories whose listing is under way, so that the next page does not read them again. */
export interface SortedCache {
  find(key: string): Rows | null;
  keep(key: string, rows: Rows): void;
  /** Forgets them all. */
  close(): void;
}

/** Makes an empty cache. Its timers do not keep the process alive. */
export function createSortedCache(): SortedCache {
  const kept = new Map<string, { readonly rows: Rows; readonly timer: NodeJS.Timeout }>();
  let count = 0;
  const drop = (key: string): void => {
    const found = kept.get(key);
    if (found === undefined) return;
    clearTimeout(found.timer);
    kept.delete(key);
    count -= found.rows.length;
  };
  return {
    find(key) {
      const found = kept.get(key);
      found?.timer.refresh();
      return found?.rows ?? null;
    },
    keep(key, rows) {
      drop(key);
      for (const [oldest] of kept) {
        if (count + rows.length <= rowsMax) break;
        drop(oldest);
      }
      kept.set(key, { rows, timer: setTimeout(() => drop(key), idleMs).unref() });
      count += rows.length;
    },
    close() {
      for (const key of [...kept.keys()]) drop(key);
    },
  };
}

function foreignCursor(): DomainError {
  return domainError('request_malformed', 'The cursor does not belong to this listing.');
}

// Value and name of the last row, which is a place in the order whoever reads the directory again.
const cursorForm = /^([0-9.e+-]{1,32})_([A-Za-z0-9_-]{1,344})$/;

function formatCursor({ value, name }: SortedRow): string {
  return `${value}_${Buffer.from(name, 'latin1').toString('base64url')}`;
}

function parseCursor(text: string, order: SortOrder): SortedRow {
  const [, valueText, nameText] = cursorForm.exec(text) ?? [];
  const value = Number(valueText);
  if (nameText === undefined || !Number.isFinite(value)) throw foreignCursor();
  if (order.endsWith('name') && value !== 0) throw foreignCursor();
  return { value, name: Buffer.from(nameText, 'base64url').toString('latin1') };
}

/** The place of the first row behind `after`. */
function placeBehind(rows: Rows, after: SortedRow, order: SortOrder): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = rows[middle];
    if (row !== undefined && compareRows(row, after, order) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function readPage(
  look: (names: readonly ByteName[]) => Promise<readonly ListedEntry[]>,
  rows: Rows,
  start: number,
  limit: number,
): Promise<ListPage> {
  const entries: ListedEntry[] = [];
  let end = start;
  while (entries.length < limit && end < rows.length) {
    const batch = rows.slice(end, end + Math.min(batchEntries, limit - entries.length));
    end += batch.length;
    const names = batch.map(({ name }) => name);
    entries.push(...(await look(names)));
  }
  const last = rows[end - 1];
  const isWhole = end >= rows.length || last === undefined;
  return { entries, nextCursor: isWhole ? null : formatCursor(last) };
}

async function listSortedDirectory(
  directory: Directory,
  folderId: string,
  { cache, reads }: { readonly cache: SortedCache; readonly reads: ReadingThreads },
  { order, limit, cursor }: SortedListOptions,
): Promise<ListPage> {
  const after = cursor === undefined ? null : parseCursor(cursor, order);
  const { dev, ino } = await statDirectory(directory);
  const key = `${folderId}:${dev}:${ino}:${order}`;
  let rows = after === null ? null : cache.find(key);
  if (rows === null) {
    rows = await sortRows(directory, order, sortedEntriesMax, createTimeSlice());
    if (rows === null) {
      throw domainError(
        'request_malformed',
        `A directory with more than ${sortedEntriesMax} entries is only listed without "sort".`,
      );
    }
    if (rows.length > limit) cache.keep(key, rows);
  }
  const look = (names: readonly ByteName[]) => lookAt(reads, directory, names);
  return readPage(look, rows, after === null ? 0 : placeBehind(rows, after, order), limit);
}

/**
 * `Volume.listSorted`. The order is that of the first page for as long as this process keeps it; another process, or
 * this one after a minute, reads the directory again and goes on behind the last row.
 */
export function listSortedEntries(
  root: VolumeRoot,
  cache: SortedCache,
  target: { readonly folderId: string; readonly path: EntryPath },
  options: SortedListOptions,
): Promise<ListPage> {
  return withDirectory(openListed(root, target.folderId, target.path), (directory) =>
    listSortedDirectory(directory, target.folderId, { cache, reads: root.reads }, options),
  );
}
