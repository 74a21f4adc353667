import {
  deleteFinishedUploads,
  releaseUpload,
  takeExpiredUploads,
  type UploadSession,
} from '../db/queries/uploads.ts';
import type { JobHandler } from '../jobs/handler.ts';
import type { Volume } from '../storage/volume.ts';
import { discardStages } from './discard-stages.ts';
import { expireCopies } from './expire-copies.ts';
import { forgetRows } from './forget-rows.ts';
import { historyDays } from './history-days.ts';
import type { WorkerServices } from './services.ts';
import { volumeOf } from './volume-of.ts';

const batchSize = 100;

/** One folder that cannot be cleaned up keeps its reservation, and nobody else's. @throws the first failure, after the rest */
async function expireBatch(
  services: WorkerServices,
  volume: Volume,
  batch: readonly UploadSession[],
): Promise<void> {
  const failures: unknown[] = [];
  for (const upload of batch) {
    try {
      await discardStages(services, volume, upload);
      await releaseUpload(services.db, upload.id);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/**
 * Ends upload sessions whose API process is gone or that nobody went on with in time, and copies whose job is gone: staged
 * bytes first, then what covered them.
 */
export function expireUploads(services: WorkerServices): JobHandler<'uploads.expire'> {
  return {
    run: async (context) => {
      const volume = volumeOf(services, context.job.volume);
      let expired = 0;
      for (;;) {
        context.signal.throwIfAborted();
        const batch = await takeExpiredUploads(services.db, { volume: volume.name, limit: batchSize });
        await expireBatch(services, volume, batch);
        expired += batch.length;
        if (batch.length < batchSize) break;
      }
      const copies = await expireCopies(services, volume, context.signal);
      const { db, forgetBatchesMax: batchesMax } = services;
      const uploads = await forgetRows({ batchesMax, signal: context.signal }, (limit) =>
        deleteFinishedUploads(db, { olderThanDays: historyDays, limit }),
      );
      const forgotten = { uploads };
      return { result: { expired, copies, forgotten } };
    },
  };
}
