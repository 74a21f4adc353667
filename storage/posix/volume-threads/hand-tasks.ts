import type { EntryStat } from '../../volume.ts';

// What travels between a process and the threads of its volume: descriptors and single names, never a path.

/** One step on names in open directories, whose descriptors are lent for as long as it takes. */
export type HandStep =
  | { readonly verb: 'look'; readonly directory: number; readonly name: string }
  | {
      readonly verb: 'place';
      readonly directory: number;
      readonly name: string;
      readonly from: { readonly directory: number; readonly name: string };
    };

/** What comes of a step. Errors of system calls are told by number, see `errno.ts`. */
export type HandOutcome =
  | { readonly stat: EntryStat | null }
  | { readonly placed: Placing }
  | { readonly errno: number; readonly message: string };

/** `taken`: something that is no regular file has the name. `missing`: the source or the directory is not there. */
export type Placing = 'done' | 'taken' | 'missing';

/** Steps that are done one after the other; each stands for itself. */
export type HandTask = readonly HandStep[];

/** What came of them, in their order, and how long they took. */
export interface HandsDone {
  readonly outcomes: readonly HandOutcome[];
  readonly ms: number;
}
