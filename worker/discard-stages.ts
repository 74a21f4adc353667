import { listStageIds } from '../db/queries/resumable-uploads.ts';
import { isDomainError } from '../domain/errors.ts';
import type { Volume } from '../storage/volume.ts';
import type { WorkerServices } from './services.ts';

/** Removes every staged file a session can have made or taken over from its parts. Safe to repeat. */
export async function discardStages(
  services: Pick<WorkerServices, 'db'>,
  volume: Volume,
  upload: { readonly id: string; readonly folderId: string },
): Promise<void> {
  for (const stageId of await listStageIds(services.db, upload.id)) {
    try {
      await volume.discardStage(upload.folderId, stageId);
    } catch (error) {
      // The folder itself may be gone by now, and its stage with it.
      if (!isDomainError(error, 'entry_not_found')) throw error;
    }
  }
}
