import { z } from 'zod';
import type { Executor } from '../db/client.ts';
import { holdsClaims, releaseClaims } from '../db/queries/path-claims.ts';
import { addTrashUsage, freeTrashUsage, moveUsageToTrash } from '../db/queries/usage.ts';
import { deleteOutcomes } from '../domain/delete-outcome.ts';
import type { JobContext, JobHandler, JobOutcome } from '../jobs/handler.ts';
import { measureRequest } from '../jobs/measure-request.ts';
import type { Volume } from '../storage/volume.ts';
import { despiteFullVolume } from './despite-full-volume.ts';
import { finishDelete } from './finish-delete.ts';
import { purgeProgress } from './purge-progress.ts';
import type { WorkerServices } from './services.ts';
import { folderIdOf, volumeOf } from './volume-of.ts';

const pathsSchema = z.array(z.object({ path: z.string(), outcome: z.enum(deleteOutcomes) }));
const checkpointSchema = z.object({
  measured: z.object({ bytes: z.number(), files: z.number(), directories: z.number().default(0) }),
  /** `null` unless this job had to finish the request. */
  entries: pathsSchema.nullable().default(null),
});

/** What is known before the first byte is freed. */
type Taken = z.infer<typeof checkpointSchema>;

type Context = JobContext<'trash.purge'>;

/**
 * Moves what the trash holds from used to trash. Without claims, which a set of failed runs gave up, the tree may have
 * been measured since and used may tell the truth already: then a measurement has to say so.
 */
async function account(
  services: WorkerServices,
  tx: Executor,
  job: Pick<Context['job'], 'id' | 'volume' | 'trace'> & { readonly folderId: string },
  measured: Taken['measured'],
): Promise<void> {
  if (await holdsClaims(tx, job.id)) {
    await moveUsageToTrash(tx, job.folderId, measured);
    // The request retires its claims when its renames are done; those of one that died end here.
    await releaseClaims(tx, job.id);
    return;
  }
  await addTrashUsage(tx, job.folderId, measured);
  await services.jobs.enqueue(tx, { ...measureRequest(job.folderId, job.volume, null), trace: job.trace });
}

/**
 * What the trash holds, counted once: the count is saved, and moved from used to trash, before the first byte is
 * freed, so that a run after a crash frees the rest but accounts for the whole. A request that died is finished before.
 */
async function takeOnce(services: WorkerServices, context: Context, volume: Volume): Promise<Taken> {
  const { job, signal } = context;
  const saved = checkpointSchema.safeParse(job.checkpoint);
  if (saved.success) return saved.data;
  const folderId = folderIdOf(job);
  const entries = await finishDelete(services, context, volume);
  const { bytes, files, directories } = await volume.measureTrash(folderId, job.payload.trashId, { signal });
  const taken = { measured: { bytes, files, directories }, entries };
  await context.fenced((tx) => account(services, tx, { ...job, folderId }, taken.measured), taken);
  return taken;
}

async function purge(services: WorkerServices, context: Context): Promise<JobOutcome> {
  const { job, signal } = context;
  const folderId = folderIdOf(job);
  const volume = volumeOf(services, job.volume);
  const { measured, entries } = await context.step('trash.measure', () =>
    takeOnce(services, context, volume),
  );
  await context.step('trash.purge', () =>
    volume.purgeTrash(folderId, job.payload.trashId, {
      signal,
      onProgress: (done) => context.report(purgeProgress(done.entries, measured)),
    }),
  );
  return {
    result: {
      freed: { bytes: measured.bytes, files: measured.files },
      ...(entries === null ? {} : { entries }),
    },
    settle: (tx) => freeTrashUsage(tx, folderId, measured),
  };
}

/**
 * Frees one trash directory and gives its usage back to the folder's quota. The request that fills it holds the job back
 * until it is done; when the hold ends without a word, the job does the rest of the request first.
 */
export function purgeTrash(services: WorkerServices): JobHandler<'trash.purge'> {
  return {
    run: (context) => despiteFullVolume(() => purge(services, context)),
    // What is left keeps counting as trash, which is true; the sweeper asks for another run.
    abandon: async (tx, job) => {
      await releaseClaims(tx, job.id);
      const isAccounted = checkpointSchema.safeParse(job.checkpoint).success;
      if (isAccounted || job.folderId === null) return;
      // Out of view, but not out of usage.
      await services.jobs.enqueue(tx, {
        ...measureRequest(job.folderId, job.volume, null),
        trace: job.trace,
      });
    },
  };
}
