import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { freeMemory } from '../../domain/free-memory.ts';

/** Content after which the buffers that it came in are collected, unless they were freed. */
const collectEveryBytes = 8 * 1024 ** 2;
/** Of what is freed so much counts none the less, for the objects that were made around it: some 4 KiB a chunk. */
const leftShare = 1 / 4;

/** Counts what came and was not freed, and collects in between. */
export interface BodyGarbage {
  /** So much more of a body came. */
  note(bytes: number): void;
  /** So much of it was freed, and all but a quarter of it is no garbage. */
  forget(bytes: number): void;
}

/** Calls `collect` after every 8 MiB. */
export function countGarbage(collect: () => void): BodyGarbage {
  let uncollectedBytes = 0;
  return {
    note(bytes) {
      uncollectedBytes += bytes;
      if (uncollectedBytes < collectEveryBytes) return;
      uncollectedBytes = 0;
      collect();
    },
    forget(bytes) {
      // What was in use when the rest was collected is freed later.
      uncollectedBytes = Math.max(0, uncollectedBytes - bytes * (1 - leftShare));
    },
  };
}

let collector: unknown;

/** Collects what was made lately and is used no more: a few milliseconds at most, for most of it is garbage. */
export function collectYoung(): void {
  if (collector === undefined) {
    setFlagsFromString('--expose-gc');
    collector = runInNewContext('gc');
  }
  if (typeof collector === 'function') collector({ type: 'minor' });
}

/**
 * The garbage that bodies leave in this process, whose heap all of them share. Each read from a socket makes a buffer of 64 KiB outside
 * the heap and next to nothing in it, so the young generation fills late; until then the buffers pile up to where V8
 * stops for full collections of the whole heap.
 */
export const bodyGarbage: BodyGarbage = countGarbage(collectYoung);

/** Frees a chunk of a body that nobody looks at again, where that can be done. */
export function freeChunk(chunk: Uint8Array): void {
  bodyGarbage.forget(freeMemory(chunk));
}
