import { countOpenMeasures, takeDueMeasures } from '../db/queries/measure.ts';
import type { JobHandler } from '../jobs/handler.ts';
import { measureRequest } from '../jobs/measure-request.ts';
import type { WorkerServices } from './services.ts';
import { volumeOf } from './volume-of.ts';

/** Open measurements of a volume are topped up to here: what workers do in one interval, and no backlog beyond it. */
const openMax = 5_000;
const batchSize = 500;

/**
 * Asks for the measurements that are due: every folder about once a day, because containers change mounted folders behind
 * the service's back. Takes the folders first; those it dies with are due again an hour later.
 */
export function scheduleUsage(services: WorkerServices): JobHandler<'usage.schedule'> {
  return {
    run: async (context) => {
      const { name: volume } = volumeOf(services, context.job.volume);
      let room = openMax - (await countOpenMeasures(services.db, { volume, limit: openMax }));
      let requested = 0;
      while (room > 0) {
        context.signal.throwIfAborted();
        const limit = Math.min(room, batchSize);
        const due = await takeDueMeasures(services.db, { volume, limit });
        const requests = due.map((folderId) => measureRequest(folderId, volume, null));
        const jobIds = await services.jobs.enqueueAll(services.db, requests);
        services.jobs.dispatch(jobIds);
        requested += jobIds.length;
        room -= due.length;
        if (due.length < limit) break;
      }
      return { result: { requested } };
    },
  };
}
