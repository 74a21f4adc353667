import { z } from 'zod';
import { releaseClaims } from '../db/queries/path-claims.ts';
import { freeTrashUsage, moveUsageToTrash } from '../db/queries/usage.ts';
import type { Usage } from '../domain/quota.ts';
import type { JobContext, JobHandler } from '../jobs/handler.ts';
import type { Volume } from '../storage/volume.ts';
import type { WorkerServices } from './services.ts';
import { folderIdOf, volumeOf } from './volume-of.ts';

const checkpointSchema = z.object({ measured: z.object({ bytes: z.number(), files: z.number() }) });

type Context = JobContext<'trash.purge'>;

/**
 * What the trash holds, counted once: the count is saved, and moved from used to trash, before the first byte is
 * freed, so that a run after a crash frees the rest but accounts for the whole.
 */
async function measureOnce(context: Context, volume: Volume, folderId: string): Promise<Usage> {
  const saved = checkpointSchema.safeParse(context.job.checkpoint);
  if (saved.success) return saved.data.measured;
  const { signal } = context;
  const { bytes, files } = await volume.measureTrash(folderId, context.job.payload.trashId, { signal });
  const measured = { bytes, files };
  await context.fenced(
    async (tx) => {
      await moveUsageToTrash(tx, folderId, measured);
      // The API holds the claims only until its renames are done; after a crash there this ends them.
      await releaseClaims(tx, context.job.id);
    },
    { measured },
  );
  return measured;
}

/** Frees one trash directory and gives its usage back to the folder's quota. */
export function purgeTrash(services: WorkerServices): JobHandler<'trash.purge'> {
  return {
    run: async (context) => {
      const { job, signal } = context;
      const folderId = folderIdOf(job);
      const volume = volumeOf(services, job.volume);
      const measured = await measureOnce(context, volume, folderId);
      await volume.purgeTrash(folderId, job.payload.trashId, {
        signal,
        onProgress: (done) =>
          context.report({ ...done, of: { entries: measured.files, bytes: measured.bytes } }),
      });
      return {
        result: { freed: measured },
        settle: (tx) => freeTrashUsage(tx, folderId, measured),
      };
    },
    // What is left keeps counting as trash, which is true; the sweeper asks for another run.
    abandon: (tx, job) => releaseClaims(tx, job.id),
  };
}
