import { listAbandonedCopies, releaseCopy } from '../db/queries/copies.ts';
import { measureRequest } from '../jobs/measure-request.ts';
import type { Volume } from '../storage/volume.ts';
import type { WorkerServices } from './services.ts';

const batchSize = 100;

/**
 * Frees what copies held whose job ended without settling: the staged tree first, then the reservation that covered it.
 * @returns how many
 */
export async function expireCopies(
  services: WorkerServices,
  volume: Volume,
  signal: AbortSignal,
): Promise<number> {
  let expired = 0;
  for (;;) {
    const batch = await listAbandonedCopies(services.db, { volume: volume.name, limit: batchSize });
    for (const { jobId, folderId } of batch) {
      await volume.discardTree(folderId, jobId, { signal });
      await services.db.transaction(async (tx) => {
        const isLive = await releaseCopy(tx, jobId);
        // The job may have ended between showing the tree and settling it; counting tells.
        if (isLive) await services.jobs.enqueue(tx, measureRequest(folderId, volume.name, null));
      });
    }
    expired += batch.length;
    if (batch.length < batchSize) return expired;
  }
}
