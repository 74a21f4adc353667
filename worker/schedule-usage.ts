import { listStaleUsage } from '../db/queries/usage.ts';
import type { JobHandler } from '../jobs/handler.ts';
import { measureRequest } from '../jobs/measure-request.ts';
import type { WorkerServices } from './services.ts';

/** Every folder is counted about once a day; containers change mounted folders behind the service's back. */
const olderThanHours = 24;
const foldersPerRun = 200;

/** Asks for a measurement of the folders that were measured longest ago. */
export function scheduleUsage(services: WorkerServices): JobHandler<'usage.schedule'> {
  return {
    run: async (context) => {
      const { volume } = context.job;
      const stale = await listStaleUsage(services.db, { volume, olderThanHours, limit: foldersPerRun });
      const jobIds: string[] = [];
      for (const folderId of stale) {
        jobIds.push(await services.jobs.enqueue(services.db, measureRequest(folderId, volume, null)));
      }
      services.jobs.dispatch(jobIds);
      return { result: { requested: jobIds.length } };
    },
  };
}
