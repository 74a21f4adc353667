import { JobDeferredError } from '../jobs/handler.ts';
import { findVolumeReach } from '../jobs/volume-reach.ts';
import type { Volume } from '../storage/volume.ts';
import type { WorkerServices } from './services.ts';
import { volumeOf } from './volume-of.ts';

/** How long a copy waits before it is offered anew, when it came to a worker that cannot read its source. */
const elsewhereMs = 1_000;

/**
 * The volume that a copy reads. A job goes to any worker that has the volume it writes to.
 * @throws JobDeferredError when another worker has both; volume_unavailable when none of those that are up has
 */
export async function sourceVolumeOf(
  services: Pick<WorkerServices, 'db' | 'volumes'>,
  copy: { readonly volume: string; readonly sourceVolume: string },
): Promise<Volume> {
  const { volume, sourceVolume: otherVolume } = copy;
  if (services.volumes.has(otherVolume)) return volumeOf(services, otherVolume);
  if ((await findVolumeReach(services.db, { queue: 'copy', volume, otherVolume })) === 'both') {
    throw new JobDeferredError(elsewhereMs, 'The volume to copy from is mounted by another worker.');
  }
  return volumeOf(services, otherVolume);
}
