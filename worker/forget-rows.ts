/** Rows forgotten in one statement: few enough that nobody waits for it. */
export const forgetBatchRows = 10_000;
/** Most batches of one table in one run: a million rows, more than a service makes until the next. */
export const forgetBatchesUsual = 100;

/**
 * Forgets rows batch by batch until one is not full, at most `batchesMax` of them. `forget` takes the most rows it may
 * forget and answers how many it did. Safe to repeat, at any time and concurrently.
 * @returns how many rows in all @throws what `forget` throws; the reason of `signal`
 */
export async function forgetRows(
  {
    batchesMax = forgetBatchesUsual,
    signal,
  }: { readonly batchesMax?: number | undefined; readonly signal: AbortSignal },
  forget: (limit: number) => Promise<number>,
): Promise<number> {
  let forgotten = 0;
  for (let batch = 0; batch < batchesMax; batch += 1) {
    signal.throwIfAborted();
    const rows = await forget(forgetBatchRows);
    forgotten += rows;
    if (rows < forgetBatchRows) break;
  }
  return forgotten;
}
