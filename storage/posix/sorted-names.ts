import type { Directory } from './directory.ts';
import { byteNames } from './directory-sync.ts';
import type { ByteName } from './entry-name.ts';
import type { TimeSlice } from './time-slice.ts';

/** Names sorted in one go; small enough to fit a time slice. */
const runNames = 4096;

async function mergeDescending(
  left: readonly ByteName[],
  right: readonly ByteName[],
  slice: TimeSlice,
): Promise<ByteName[]> {
  const merged: ByteName[] = [];
  let leftAt = 0;
  let rightAt = 0;
  for (;;) {
    const a = left[leftAt];
    const b = right[rightAt];
    if (a === undefined && b === undefined) return merged;
    if (b === undefined || (a !== undefined && a >= b)) {
      merged.push(a ?? '');
      leftAt += 1;
    } else {
      merged.push(b);
      rightAt += 1;
    }
    if (merged.length % runNames === 0 && slice.isOver()) await slice.rest();
  }
}

/**
 * The names in a directory in descending byte order, so that taking them from the end ascends. A million names are
 * sorted without keeping the event loop longer than a time slice: in runs while they are read, then by merging.
 */
export async function namesDescending(directory: Directory, slice: TimeSlice): Promise<ByteName[]> {
  let runs: ByteName[][] = [];
  let run: ByteName[] = [];
  for (const name of byteNames(directory)) {
    if (slice.isOver()) await slice.rest();
    run.push(name);
    if (run.length < runNames) continue;
    runs.push(run.sort().reverse());
    run = [];
  }
  runs.push(run.sort().reverse());
  while (runs.length > 1) {
    const longer: ByteName[][] = [];
    for (let index = 0; index < runs.length; index += 2) {
      longer.push(await mergeDescending(runs[index] ?? [], runs[index + 1] ?? [], slice));
    }
    runs = longer;
  }
  return runs[0] ?? [];
}
