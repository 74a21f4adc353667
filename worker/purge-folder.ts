import { abortFolderUploads } from '../db/queries/uploads.ts';
import { findFolderUsage, settleFolderPurge } from '../db/queries/usage.ts';
import type { Usage } from '../domain/quota.ts';
import type { JobHandler } from '../jobs/handler.ts';
import { despiteFullVolume } from './despite-full-volume.ts';
import { purgeProgress } from './purge-progress.ts';
import type { WorkerServices } from './services.ts';
import { folderIdOf, volumeOf } from './volume-of.ts';

/** What goes with the folder, as recorded; the same in every run until the purge is settled. */
async function recordedUsage(services: WorkerServices, folderId: string): Promise<Usage> {
  const usage = await findFolderUsage(services.db, folderId);
  if (usage === null) return { bytes: 0, files: 0 };
  return { bytes: usage.usedBytes + usage.trashBytes, files: usage.usedFiles + usage.trashFiles };
}

/**
 * Frees a deleted folder: content, staging and trash. The folder's id is never used again, so running late or twice
 * can remove nothing that came later.
 */
export function purgeFolder(services: WorkerServices): JobHandler<'folder.purge'> {
  return {
    run: (context) =>
      despiteFullVolume(async () => {
        const { job, signal } = context;
        const folderId = folderIdOf(job);
        await context.fenced((tx) => abortFolderUploads(tx, folderId));
        const freed = await recordedUsage(services, folderId);
        await context.step('folder.purge', () =>
          volumeOf(services, job.volume).purgeFolder(folderId, {
            signal,
            onProgress: ({ entries }) => context.report(purgeProgress(entries, freed)),
          }),
        );
        return {
          result: { freed },
          settle: (tx) => settleFolderPurge(tx, folderId),
        };
      }),
  };
}
