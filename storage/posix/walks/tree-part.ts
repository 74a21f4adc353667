import type { Directory } from '../handles/directory.ts';
import type { ByteName } from '../handles/entry-name.ts';
import type { Tally } from './progress.ts';

/** What can be done to a whole tree. */
export type TreeVerb = 'measure' | 'purge';

/**
 * A piece of a tree to work off: names in the directory at `path` below the root of the tree, sorted by what they
 * seemed to be; `null` is everything in it. It names no handle, so that any walker can take it.
 */
export interface TreePart {
  readonly path: readonly ByteName[];
  readonly names: { readonly files: readonly ByteName[]; readonly directories: readonly ByteName[] } | null;
}

/** The whole tree. */
export const wholeTree: TreePart = { path: [], names: null };

/** Cuts `names` into `count` runs of about the same length, or into single names where there are fewer. */
export function cutEvenly(names: readonly ByteName[], count: number): (readonly ByteName[])[] {
  const runs: (readonly ByteName[])[] = [];
  for (let at = 0; at < names.length; ) {
    const end = at + Math.ceil((names.length - at) / Math.max(1, count - runs.length));
    runs.push(names.slice(at, end));
    at = end;
  }
  return runs;
}

/** How many of `count` names go to `takers` others, when as much is kept as each of them gets, and never all but `keptMin`. */
export function sharesOf(count: number, takers: number, keptMin: number): number {
  return Math.max(0, Math.min(count - keptMin, Math.ceil((count * takers) / (takers + 1))));
}

/** How urgently others ask for a part of what is left: not, for when they are through, or because they have nothing. */
export type Demand = 'none' | 'soon' | 'at_once';

/** Deepest directory, in components below the root, whose content is given away: the taker opens each of them. */
export const partDepthMax = 64;

/** A regular file with several names. */
export interface LinkedFile {
  readonly inode: bigint;
  readonly links: bigint;
  readonly sizeBytes: bigint;
}

/** What walking a part tells, and asks, whoever it is run by. Every function is quick. */
export interface Work {
  readonly tally: Tally;
  /** Met one of the names of such a file; whether it counts is decided where all of them are known. */
  countLinked(file: LinkedFile): void;
  demand(): Demand;
  /** Among how many what is asked for is divided, one part each. */
  takers(): number;
  /** The next calls act on names in this directory. */
  enter(directory: Directory): void;
  /** Leaves a part to each of some others. */
  give(parts: readonly TreePart[]): void;
  /** Tells how long one system call took. */
  sample(ms: number): void;
  /** How many files fit into one step. */
  stepEntries(): number;
  /** An entry that could not be removed; the rest is removed all the same. */
  fail(failure: unknown): void;
}
