import type { BenchRow } from './row.ts';

/** What a suite is run with. */
export interface BenchContext {
  /** A directory of this run on the disk that is measured; removed afterwards. */
  readonly workDir: string;
  /** Smaller trees and fewer rounds, to see that the bench runs; its figures mean little. */
  readonly isQuick: boolean;
  /** Tells people what is going on; goes to stderr. */
  say(line: string): void;
}

/** Measures one kind of work and yields its rows as they are known. */
export type Suite = (context: BenchContext) => AsyncIterable<BenchRow>;
