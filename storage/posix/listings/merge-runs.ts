import type { TimeSlice } from '../time-slice.ts';

/** Elements merged between two questions whether the time slice is over. */
const stepElements = 4096;

async function mergeTwo<T>(
  left: readonly T[],
  right: readonly T[],
  compare: (a: T, b: T) => number,
  slice: TimeSlice,
): Promise<T[]> {
  const merged: T[] = [];
  let leftAt = 0;
  let rightAt = 0;
  for (;;) {
    const a = left[leftAt];
    const b = right[rightAt];
    if (a === undefined) return merged.concat(right.slice(rightAt));
    if (b === undefined) return merged.concat(left.slice(leftAt));
    if (compare(a, b) <= 0) {
      merged.push(a);
      leftAt += 1;
    } else {
      merged.push(b);
      rightAt += 1;
    }
    if (merged.length % stepElements === 0 && slice.isOver()) await slice.rest();
  }
}

/** Merges sorted runs into one, without keeping the event loop longer than a time slice. */
export async function mergeRuns<T>(
  sorted: readonly T[][],
  compare: (a: T, b: T) => number,
  slice: TimeSlice,
): Promise<T[]> {
  let runs = sorted;
  while (runs.length > 1) {
    const longer: T[][] = [];
    for (let index = 0; index < runs.length; index += 2) {
      longer.push(await mergeTwo(runs[index] ?? [], runs[index + 1] ?? [], compare, slice));
    }
    runs = longer;
  }
  return runs[0] ?? [];
}
