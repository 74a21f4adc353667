import type { Executor } from '../db/client.ts';
import type { EndedMount } from '../db/queries/mounts.ts';
import type { JobClient } from './job-client.ts';
import { measureRequest } from './measure-request.ts';

/**
 * Asks for a count of each folder that sessions which have ended may have written to: they do so behind the service's back. In the
 * transaction of their end; nobody waits for it, so it is left to the reconciler.
 */
export async function countEnded(
  jobs: Pick<JobClient, 'enqueue'>,
  tx: Executor,
  ended: readonly EndedMount[],
): Promise<void> {
  const volumes = new Map(
    ended.flatMap(({ folderId, volume, isToCount }) => (isToCount ? [[folderId, volume] as const] : [])),
  );
  for (const [folderId, volume] of volumes) await jobs.enqueue(tx, measureRequest(folderId, volume, null));
}
