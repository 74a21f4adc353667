/** What has become of a task of a batch. */
const free = 0;
const running = 1;
const done = 2;
const takenBack = 3;

/**
 * Who has which task of the batch under way, in memory that a thread and those who give it work share. A task is run by the
 * thread or taken back, never both, so that what was lent to a task that was taken back is not touched any more.
 */
export type BatchClaims = Int32Array<SharedArrayBuffer>;

/** For batches of up to `tasksMax`. */
export function createClaims(tasksMax: number): BatchClaims {
  return new Int32Array(new SharedArrayBuffer(tasksMax * Int32Array.BYTES_PER_ELEMENT));
}

/** Before a batch is handed over, while the thread has none. */
export function resetClaims(claims: BatchClaims): void {
  claims.fill(free);
}

/** The thread begins a task. @returns false when it was taken back */
export function beginTask(claims: BatchClaims, index: number): boolean {
  return Atomics.compareExchange(claims, index, free, running) === free;
}

/** The thread has the outcome of a task, and touches nothing of it any more. */
export function endTask(claims: BatchClaims, index: number): void {
  Atomics.store(claims, index, done);
}

/** Takes a task away from a thread that is held up. @returns false for the one that is running */
export function takeBack(claims: BatchClaims, index: number): boolean {
  return Atomics.compareExchange(claims, index, free, takenBack) !== running;
}
