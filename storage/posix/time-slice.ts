import { setImmediate } from 'node:timers/promises';

/** Longest time bulk work keeps the event loop, in milliseconds. */
const sliceMs = 5;

/**
 * Divides synchronous bulk work so that the event loop turns in between: ask `isOver` once per system call and `rest`
 * when it says so. Synchronous calls are used for bulk work because the pool costs several times the call itself.
 */
export interface TimeSlice {
  isOver(): boolean;
  /** Lets the event loop turn. @throws the signal's reason when it was aborted */
  rest(): Promise<void>;
}

/** Starts a slice. */
export function createTimeSlice(signal?: AbortSignal): TimeSlice {
  let startedAt = performance.now();
  return {
    isOver: () => performance.now() - startedAt >= sliceMs,
    async rest() {
      await setImmediate();
      signal?.throwIfAborted();
      startedAt = performance.now();
    },
  };
}
