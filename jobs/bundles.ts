import type { DispatchRow } from '../db/queries/jobs.ts';
import { type JobContract, jobContracts } from './contracts.ts';

/** Most rows that travel as one entry of a queue: as many as one process runs of them at a time. */
export const bundleMax = 16;

/** How much less urgent a row may be than the first of its bundle: in front of others it gains no more than its size. */
const priorityGainMax = bundleMax;

function isBundled(row: DispatchRow): boolean {
  const { isBundled }: JobContract = jobContracts[row.kind];
  // A row that was claimed before goes alone: if it was what killed its worker, the others of a bundle would die with it.
  return isBundled === true && row.fence === 0;
}

/**
 * Cuts rows of one queue that are handed over together into what travels as one entry of the queue: bundles of short work that
 * was not claimed before, most urgent first, and everything else by itself. Each row is in one of them.
 */
export function bundleRows(rows: readonly DispatchRow[]): (readonly DispatchRow[])[] {
  const bundles: DispatchRow[][] = [];
  const open = new Map<string, DispatchRow[]>();
  for (const row of rows.toSorted((a, b) => a.priority - b.priority)) {
    const bundle = isBundled(row) ? open.get(row.kind) : undefined;
    const first = bundle?.[0];
    if (
      bundle !== undefined &&
      first !== undefined &&
      bundle.length < bundleMax &&
      row.priority - first.priority <= priorityGainMax
    ) {
      bundle.push(row);
      continue;
    }
    const begun = [row];
    bundles.push(begun);
    if (isBundled(row)) open.set(row.kind, begun);
  }
  return bundles;
}

/** Lets at most so many go on at a time. */
export interface Slots {
  /** Runs `work` once there is a slot, in the order of arrival. @throws what `work` throws */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** Makes `max` slots. */
export function makeSlots(max: number): Slots {
  const waiting: (() => void)[] = [];
  let free = max;
  const leave = (): void => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  return {
    run: async (work) => {
      if (free > 0) free -= 1;
      // The slot passes from hand to hand and is never counted as free in between.
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}
