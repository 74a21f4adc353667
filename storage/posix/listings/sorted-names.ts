import type { Directory } from '../handles/directory.ts';
import { byteNames, statDirectorySync } from '../handles/directory-sync.ts';
import type { ByteName } from '../handles/entry-name.ts';
import type { TimeSlice } from '../time-slice.ts';
import { mergeRuns } from './merge-runs.ts';

/** Names sorted in one go; small enough to fit a time slice. */
const runNames = 4096;

function compareDescending(a: ByteName, b: ByteName): number {
  if (a === b) return 0;
  return a < b ? 1 : -1;
}

/**
 * The names in a directory in descending byte order, so that taking them from the end ascends. A million names are
 * sorted without keeping the event loop longer than a time slice: in runs while they are read, then by merging.
 */
export async function namesDescending(directory: Directory, slice: TimeSlice): Promise<ByteName[]>;
/** As above, but `null` when there are more than `namesMax`; it does not read on then. */
export async function namesDescending(
  directory: Directory,
  slice: TimeSlice,
  namesMax: number,
): Promise<ByteName[] | null>;
/** Both of the above. */
export async function namesDescending(
  directory: Directory,
  slice: TimeSlice,
  namesMax = Number.POSITIVE_INFINITY,
): Promise<ByteName[] | null> {
  const runs: ByteName[][] = [];
  let run: ByteName[] = [];
  let count = 0;
  for (const name of byteNames(directory, statDirectorySync(directory))) {
    if (slice.isOver()) await slice.rest();
    count += 1;
    if (count > namesMax) return null;
    run.push(name);
    if (run.length < runNames) continue;
    runs.push(run.sort().reverse());
    run = [];
  }
  runs.push(run.sort().reverse());
  return mergeRuns(runs, compareDescending, slice);
}
