import { domainError } from '../../../domain/errors.ts';
import type { ListedEntry, ListPage } from '../../../storage/volume.ts';

/** What a listing can be ordered by; a leading `-` turns the order around. */
export const sortOrders = ['name', '-name', 'size', '-size', 'mtime', '-mtime'] as const;

/** One of {@link sortOrders}. */
export type SortOrder = (typeof sortOrders)[number];

/** Most entries of a directory that is still sorted; every page of it reads the whole directory. */
export const sortedEntriesMax = 100_000;

/** Where a sorted page ends: the sort value, then name and inode as tie breakers (undecodable names may look alike). */
type Key = readonly [value: number | string, name: string, inode: string];

function keyOf(entry: ListedEntry, order: SortOrder): Key {
  switch (order) {
    case 'name':
    case '-name':
      return [entry.name, entry.name, entry.inode];
    case 'size':
    case '-size':
      return [entry.sizeBytes, entry.name, entry.inode];
    case 'mtime':
    case '-mtime':
      return [entry.mtime, entry.name, entry.inode];
  }
}

function compareValues(a: number | string, b: number | string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function compareKeys(a: Key, b: Key, order: SortOrder): number {
  const byValue = compareValues(a[0], b[0]);
  if (byValue !== 0) return order.startsWith('-') ? -byValue : byValue;
  return compareValues(a[1], b[1]) || compareValues(a[2], b[2]);
}

/** Entries in the given order; names compare by UTF-16 code unit, independent of any locale. */
export function sortEntries(entries: readonly ListedEntry[], order: SortOrder): ListedEntry[] {
  return entries.toSorted((a, b) => compareKeys(keyOf(a, order), keyOf(b, order), order));
}

function formatCursor(key: Key): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url');
}

function isKey(value: unknown, order: SortOrder): value is Key {
  if (!Array.isArray(value) || value.length !== 3) return false;
  const valueType = order.endsWith('name') ? 'string' : 'number';
  return typeof value[0] === valueType && typeof value[1] === 'string' && typeof value[2] === 'string';
}

function parseCursor(cursor: string, order: SortOrder): Key {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (isKey(value, order)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw domainError('request_malformed', 'The cursor does not belong to this listing.');
}

/**
 * One page of a directory in a chosen order, read through `readPage` until the directory ends. Keeps no more than a
 * page and the chunk just read in memory. Entries that do not change are shown exactly once over all pages.
 * @throws request_malformed when the directory has more than {@link sortedEntriesMax} entries, or for a foreign cursor
 */
export async function readSortedPage(
  readPage: (cursor: string | undefined) => Promise<ListPage>,
  options: { readonly order: SortOrder; readonly limit: number; readonly cursor?: string | undefined },
): Promise<ListPage> {
  const { order, limit } = options;
  const after = options.cursor === undefined ? undefined : parseCursor(options.cursor, order);
  const follows = (entry: ListedEntry) =>
    after === undefined || compareKeys(keyOf(entry, order), after, order) > 0;
  let best: ListedEntry[] = [];
  let entriesRead = 0;
  let cursor: string | undefined;
  do {
    const page = await readPage(cursor);
    entriesRead += page.entries.length;
    if (entriesRead > sortedEntriesMax) throw tooManyToSort();
    best = sortEntries([...best, ...page.entries.filter(follows)], order).slice(0, limit + 1);
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined);
  const entries = best.slice(0, limit);
  const last = entries.at(-1);
  const nextCursor = best.length > limit && last !== undefined ? formatCursor(keyOf(last, order)) : null;
  return { entries, nextCursor };
}

function tooManyToSort() {
  return domainError(
    'request_malformed',
    `A directory with more than ${sortedEntriesMax} entries is only listed without "sort".`,
  );
}
