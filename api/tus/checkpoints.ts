/** Takes checkpoints of a stream while it goes on; one runs at a time. */
export interface Checkpoints {
  /**
   * Tells that the stream has come to `toBytes`. Begins a checkpoint when one is due, after the one before it has ended.
   * @throws what an earlier one failed with
   */
  pass(toBytes: number, take: () => Promise<void>): Promise<void>;
  /** Waits for the one that runs. @throws what it, or an earlier one, failed with */
  settle(): Promise<void>;
}

/** Counts from `fromBytes`; a checkpoint is due whenever `everyBytes` have come since the last one began. */
export function openCheckpoints(given: {
  readonly everyBytes: number;
  readonly fromBytes: number;
}): Checkpoints {
  let beganAt = given.fromBytes;
  let running: Promise<void> = Promise.resolve();
  let failure: { readonly cause: unknown } | undefined;
  const settle = async (): Promise<void> => {
    await running;
    if (failure !== undefined) throw failure.cause;
  };
  return {
    settle,
    async pass(toBytes, take) {
      // A failed one ends the stream at once: what follows could not be recorded either.
      if (failure !== undefined) throw failure.cause;
      if (toBytes - beganAt < given.everyBytes) return;
      await settle();
      beganAt = toBytes;
      running = take().catch((cause: unknown) => {
        failure = { cause };
      });
    },
  };
}
