import { abortFolderUploads } from '../db/queries/uploads.ts';
import { settleFolderPurge } from '../db/queries/usage.ts';
import type { JobHandler } from '../jobs/handler.ts';
import { despiteFullVolume } from './despite-full-volume.ts';
import type { WorkerServices } from './services.ts';
import { folderIdOf, volumeOf } from './volume-of.ts';

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
        const freed = await volumeOf(services, job.volume).purgeFolder(folderId, {
          signal,
          onProgress: (done) => context.report({ ...done, of: null }),
        });
        return {
          result: { freed: { bytes: freed.bytes, files: freed.files } },
          settle: (tx) => settleFolderPurge(tx, folderId),
        };
      }),
  };
}
