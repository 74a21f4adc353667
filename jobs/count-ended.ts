import type { Database, Executor } from '../db/client.ts';
import { demandMeasures } from '../db/queries/measure.ts';
import type { EndedMount } from '../db/queries/mounts.ts';
import type { JobClient } from './job-client.ts';
import { measureRequest } from './measure-request.ts';

/** What ending sessions takes. */
export interface EndParts {
  readonly db: Database;
  readonly jobs: Pick<JobClient, 'enqueueAll'>;
}

/**
 * Ends sessions in a transaction of its own, and has each folder counted that they may have written to: they do so behind the service's
 * back, so a count that is under way is void. That the folder is due is part of the transaction; the job is asked for after it, while
 * no row is locked, and when that fails the schedule does it. Nobody waits for the job, so it is left to the reconciler.
 * @returns what `end` answered @throws what it throws; nothing has ended then
 */
export async function endAndCount(
  { db, jobs }: EndParts,
  end: (tx: Executor) => Promise<readonly EndedMount[]>,
): Promise<readonly EndedMount[]> {
  const written = new Map<string, string>();
  const ended = await db.transaction(async (tx) => {
    const mounts = await end(tx);
    for (const { folderId, volume, isToCount } of mounts) if (isToCount) written.set(folderId, volume);
    await demandMeasures(tx, [...written.keys()]);
    return mounts;
  });
  const requests = [...written].map(([folderId, volume]) => measureRequest(folderId, volume, null));
  if (requests.length > 0) await jobs.enqueueAll(db, requests);
  return ended;
}
