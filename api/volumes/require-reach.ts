import { domainError } from '../../domain/errors.ts';
import { findVolumeReach } from '../../jobs/volume-reach.ts';
import type { Services } from '../services.ts';

/**
 * Refuses a copy from one volume to another that no worker could make: of those that are up and would take it, none has both.
 * While no worker is up, the copy waits for one.
 * @throws volume_unavailable
 */
export async function requireReach(
  services: Pick<Services, 'db'>,
  { volume, sourceVolume }: { readonly volume: string; readonly sourceVolume: string },
): Promise<void> {
  if (volume === sourceVolume) return;
  const job = { queue: 'copy', volume, otherVolume: sourceVolume } as const;
  if ((await findVolumeReach(services.db, job)) !== 'lacking') return;
  const detail =
    'At the moment no worker has the storage of both folders, so that nothing is copied between them.';
  throw domainError('volume_unavailable', detail);
}
