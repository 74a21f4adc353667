import type { Executor } from '../db/client.ts';
import {
  deleteArchive,
  listExpiredArchives,
  listLiveArchiveIds,
  readDatabaseTime,
} from '../db/queries/archives.ts';
import { deleteFinishedJobs } from '../db/queries/jobs.ts';
import type { JobContext, JobHandler } from '../jobs/handler.ts';
import type { Volume } from '../storage/volume.ts';
import { expireMounts } from './expire-mounts.ts';
import { forgetPast } from './forget-past.ts';
import { forgetRows } from './forget-rows.ts';
import { historyDays } from './history-days.ts';
import type { WorkerServices } from './services.ts';
import { volumeOf } from './volume-of.ts';

const batchSize = 100;
/** Files without a row are left alone this long: a job may be between publishing its archive and recording it. */
const graceMs = 60 * 60 * 1000;

type Context = JobContext<'archives.expire'>;

/** The file goes first: a row without its file answers 404 and is met again, a file without its row only by age. */
async function removeExpired(services: WorkerServices, { signal }: Context, volume: Volume): Promise<number> {
  let removed = 0;
  for (;;) {
    const ids = await listExpiredArchives(services.db, { volume: volume.name, limit: batchSize });
    for (const id of ids) {
      signal.throwIfAborted();
      await volume.removeArchive(id);
      await deleteArchive(services.db, id);
    }
    removed += ids.length;
    if (ids.length < batchSize) return removed;
  }
}

/** Old archives of the volume, whole or partial, that no row and no unfinished job knows, in batches. */
export async function* findArchiveLitter(db: Executor, volume: Volume): AsyncGenerator<string[]> {
  const bornBefore = new Date((await readDatabaseTime(db)).getTime() - graceMs);
  for await (const batch of volume.listArchives()) {
    const ids = batch.filter(({ modifiedAt }) => modifiedAt < bornBefore).map(({ id }) => id);
    const live = await listLiveArchiveIds(db, ids);
    yield ids.filter((candidate) => !live.has(candidate));
  }
}

async function removeLeftovers(
  services: WorkerServices,
  { signal }: Context,
  volume: Volume,
): Promise<number> {
  let removed = 0;
  for await (const litter of findArchiveLitter(services.db, volume)) {
    for (const id of litter) {
      signal.throwIfAborted();
      await volume.removeArchive(id);
      removed += 1;
    }
  }
  return removed;
}

/** Removes archives past their time with their files, what dead jobs left behind, and job history past its age. */
export function expireArchives(services: WorkerServices): JobHandler<'archives.expire'> {
  return {
    run: async (context) => {
      const volume = volumeOf(services, context.job.volume);
      const expired = await removeExpired(services, context, volume);
      const leftovers = await removeLeftovers(services, context, volume);
      const { db, forgetBatchesMax: batchesMax } = services;
      const { signal } = context;
      const past = await forgetPast(services, signal);
      const jobs = await forgetRows({ batchesMax, signal }, (limit) =>
        deleteFinishedJobs(db, { olderThanDays: historyDays, limit }),
      );
      const forgotten = { ...past, jobs, mount_sessions: await expireMounts(services, signal) };
      return { result: { expired, leftovers, forgotten } };
    },
  };
}
