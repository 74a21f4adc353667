import type { SortOrder } from '../../volume.ts';
import type { Directory } from '../handles/directory.ts';
import { quickStatSync } from '../handles/directory-sync.ts';
import { type ByteName, nameFromBytes } from '../handles/entry-name.ts';
import type { TimeSlice } from '../time-slice.ts';
import { mergeRuns } from './merge-runs.ts';
import { namesDescending } from './sorted-names.ts';

/** What an entry is ordered by; `value` is 0 in an order by name alone. */
export interface SortedRow {
  readonly value: number;
  readonly name: ByteName;
}

/** Rows sorted in one go; small enough to fit a time slice. */
const runRows = 2048;

/** Compares by value, then by name in byte order; a leading `-` turns the first of them around that counts. */
export function compareRows(a: SortedRow, b: SortedRow, order: SortOrder): number {
  const isTurned = order.startsWith('-');
  if (a.value !== b.value) return a.value < b.value === isTurned ? 1 : -1;
  if (a.name === b.name) return 0;
  return a.name < b.name === (order === '-name') ? 1 : -1;
}

function readValues(directory: Directory, names: readonly ByteName[], order: SortOrder): SortedRow[] {
  const rows: SortedRow[] = [];
  for (const name of names) {
    const stat = quickStatSync(directory, nameFromBytes(name));
    if (stat !== null) rows.push({ name, value: order.endsWith('size') ? stat.size : stat.mtimeMs });
  }
  return rows;
}

async function rowsByValue(
  directory: Directory,
  names: readonly ByteName[],
  order: SortOrder,
  slice: TimeSlice,
): Promise<SortedRow[]> {
  const runs: SortedRow[][] = [];
  let run: SortedRow[] = [];
  for (let start = 0; start < names.length; start += 64) {
    run.push(...readValues(directory, names.slice(start, start + 64), order));
    if (slice.isOver()) await slice.rest();
    if (run.length < runRows) continue;
    runs.push(run.sort((a, b) => compareRows(a, b, order)));
    run = [];
  }
  runs.push(run.sort((a, b) => compareRows(a, b, order)));
  return mergeRuns(runs, (a, b) => compareRows(a, b, order), slice);
}

/**
 * The entries of a directory in an order, without keeping the event loop longer than a time slice.
 * @returns `null` when there are more than `entriesMax`
 */
export async function sortRows(
  directory: Directory,
  order: SortOrder,
  entriesMax: number,
  slice: TimeSlice,
): Promise<readonly SortedRow[] | null> {
  const descending = await namesDescending(directory, slice, entriesMax);
  if (descending === null) return null;
  if (!order.endsWith('name')) return rowsByValue(directory, descending, order, slice);
  const names = order === 'name' ? descending.reverse() : descending;
  return names.map((name) => ({ name, value: 0 }));
}
