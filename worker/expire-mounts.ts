import { endLapsedMountSessions } from '../db/queries/mounts.ts';
import { endAndCount } from '../jobs/count-ended.ts';
import type { WorkerServices } from './services.ts';

/** Sessions ended in one transaction: each may ask for a few counts. */
const batchSize = 100;
/** Most batches of one run; what is left is for the next. */
const batchesUsual = 100;

/**
 * Forgets sessions whose leases have lapsed, and asks for counts of the folders they may have written to. That they guard nothing any
 * more does not depend on it. Safe to repeat, and concurrently. @returns how many
 */
export async function expireMounts(
  { db, jobs, forgetBatchesMax = batchesUsual }: Pick<WorkerServices, 'db' | 'jobs' | 'forgetBatchesMax'>,
  signal: AbortSignal,
): Promise<number> {
  let expired = 0;
  for (let batch = 0; batch < forgetBatchesMax; batch += 1) {
    signal.throwIfAborted();
    const ended = await endAndCount({ db, jobs }, (tx) => endLapsedMountSessions(tx, batchSize));
    const sessions = new Set(ended.map(({ sessionId }) => sessionId)).size;
    expired += sessions;
    if (sessions < batchSize) break;
  }
  return expired;
}
