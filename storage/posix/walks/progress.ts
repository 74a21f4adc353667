import type { TreeUsage, WorkOptions } from '../../volume.ts';
import { createTimeSlice } from '../time-slice.ts';

const reportEveryMs = 250;

/** Counts of running work. `entries` are things met of any kind. */
export interface Tally {
  entries: number;
  bytes: number;
  files: number;
  directories: number;
}

/** Counts of nothing. */
export function emptyTally(): Tally {
  return { entries: 0, bytes: 0, files: 0, directories: 0 };
}

/** Adds `more` to `tally`. */
export function addTally(tally: Tally, more: Readonly<Tally>): void {
  tally.entries += more.entries;
  tally.bytes += more.bytes;
  tally.files += more.files;
  tally.directories += more.directories;
}

/** Usage as the contract returns it. */
export function toTreeUsage({ bytes, files, directories }: Tally): TreeUsage {
  return { bytes, files, directories };
}

/** Paces long synchronous work: see {@link createTimeSlice}; `rest` also reports, a few times a second. */
export interface Pace {
  readonly tally: Tally;
  isOver(): boolean;
  rest(): Promise<void>;
}

/** Starts to pace work. @throws the signal's reason when it is aborted already */
export function createPace(options: WorkOptions = {}): Pace {
  options.signal?.throwIfAborted();
  const slice = createTimeSlice(options.signal);
  const tally = emptyTally();
  let reportedAt = performance.now();
  return {
    tally,
    isOver: slice.isOver,
    async rest() {
      await slice.rest();
      const now = performance.now();
      if (now - reportedAt < reportEveryMs) return;
      reportedAt = now;
      options.onProgress?.({ entries: tally.entries, bytes: tally.bytes });
    },
  };
}
