import { z } from 'zod';
import type { Executor } from '../db/client.ts';
import { holdsClaims, releaseClaims } from '../db/queries/path-claims.ts';
import { addTrashUsage, freeTrashUsage, moveUsageToTrash } from '../db/queries/usage.ts';
import type { Usage } from '../domain/quota.ts';
import type { JobContext, JobHandler } from '../jobs/handler.ts';
import { measureRequest } from '../jobs/measure-request.ts';
import type { Volume } from '../storage/volume.ts';
import type { WorkerServices } from './services.ts';
import { folderIdOf, volumeOf } from './volume-of.ts';

const checkpointSchema = z.object({ measured: z.object({ bytes: z.number(), files: z.number() }) });

type Context = JobContext<'trash.purge'>;

/**
 * Moves what the trash holds from used to trash. Without claims, which a set of failed runs gave up, the tree may have
 * been measured since and used may tell the truth already: then a measurement has to say so.
 */
async function account(
  services: WorkerServices,
  tx: Executor,
  job: { readonly id: string; readonly volume: string; readonly folderId: string },
  measured: Usage,
): Promise<void> {
  if (await holdsClaims(tx, job.id)) {
    await moveUsageToTrash(tx, job.folderId, measured);
    // The API holds the claims only until its renames are done; after a crash there this ends them.
    await releaseClaims(tx, job.id);
    return;
  }
  await addTrashUsage(tx, job.folderId, measured);
  await services.jobs.enqueue(tx, measureRequest(job.folderId, job.volume, null));
}

/**
 * What the trash holds, counted once: the count is saved, and moved from used to trash, before the first byte is
 * freed, so that a run after a crash frees the rest but accounts for the whole.
 */
async function measureOnce(
  services: WorkerServices,
  context: Context,
  volume: Volume,
  folderId: string,
): Promise<Usage> {
  const { job, signal } = context;
  const saved = checkpointSchema.safeParse(job.checkpoint);
  if (saved.success) return saved.data.measured;
  const { bytes, files } = await volume.measureTrash(folderId, job.payload.trashId, { signal });
  const measured = { bytes, files };
  const { id, volume: volumeName } = job;
  await context.fenced((tx) => account(services, tx, { id, volume: volumeName, folderId }, measured), {
    measured,
  });
  return measured;
}

/** Frees one trash directory and gives its usage back to the folder's quota. */
export function purgeTrash(services: WorkerServices): JobHandler<'trash.purge'> {
  return {
    run: async (context) => {
      const { job, signal } = context;
      const folderId = folderIdOf(job);
      const volume = volumeOf(services, job.volume);
      const measured = await measureOnce(services, context, volume, folderId);
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
