import type { Executor } from '../db/client.ts';
import { listWorkers } from '../db/queries/workers.ts';
import type { QueueName } from './contracts.ts';
import { workerLateMs } from './timings.ts';

/**
 * How the workers stand to a job of one volume that needs another one as well: one of them has `both`, none of those that would
 * take it has (`lacking`), or there is none at the moment (`none`).
 */
export type VolumeReach = 'both' | 'lacking' | 'none';

/** Looks at the workers that are up and take `queue` of `volume`. */
export async function findVolumeReach(
  db: Executor,
  job: { readonly queue: QueueName; readonly volume: string; readonly otherVolume: string },
): Promise<VolumeReach> {
  const takers = (await listWorkers(db, workerLateMs)).filter(
    ({ queues, volumes, takesJobs, isDraining }) =>
      takesJobs && !isDraining && queues.includes(job.queue) && volumes.includes(job.volume),
  );
  if (takers.length === 0) return 'none';
  return takers.some(({ volumes }) => volumes.includes(job.otherVolume)) ? 'both' : 'lacking';
}
