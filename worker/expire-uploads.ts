import {
  deleteFinishedUploads,
  listUploadFiles,
  releaseUpload,
  takeExpiredUploads,
  type UploadSession,
} from '../db/queries/uploads.ts';
import { isDomainError } from '../domain/errors.ts';
import { stageIdOf } from '../domain/upload-session.ts';
import type { JobHandler } from '../jobs/handler.ts';
import type { Volume } from '../storage/volume.ts';
import { expireCopies } from './expire-copies.ts';
import type { WorkerServices } from './services.ts';
import { volumeOf } from './volume-of.ts';

const batchSize = 100;
const historyDays = 30;
const historyBatch = 10_000;

/** Removes every staged file the session can have made: ordinals below its reserved count, and those on record. */
async function discardStages(services: WorkerServices, volume: Volume, upload: UploadSession): Promise<void> {
  const recorded = await listUploadFiles(services.db, upload.id);
  const ordinals = new Set(recorded.map((file) => file.ordinal));
  for (let ordinal = 0; ordinal < upload.reservedFiles; ordinal += 1) ordinals.add(ordinal);
  for (const ordinal of ordinals) {
    try {
      await volume.discardStage(upload.folderId, stageIdOf(upload.id, ordinal));
    } catch (error) {
      // The folder itself may be gone by now, and its stage with it.
      if (!isDomainError(error, 'entry_not_found')) throw error;
    }
  }
}

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

/** Ends upload sessions whose API process is gone, and copies whose job is: staged bytes first, then what covered them. */
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
      const forgotten = await deleteFinishedUploads(services.db, {
        olderThanDays: historyDays,
        limit: historyBatch,
      });
      return { result: { expired, copies, forgotten } };
    },
  };
}
