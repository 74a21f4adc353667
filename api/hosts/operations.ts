import { findFolderAllowance } from '../../db/queries/folders.ts';
import { askCapacity } from '../service/readiness.ts';
import type { Services } from '../services.ts';
import { defaultHostOf, isAllowed } from '../volumes/place-folder.ts';

/** A volume where folders can be made; `usedPercent` is `null` while it does not answer. */
export interface Host {
  readonly name: string;
  readonly usedPercent: number | null;
}

/** Volumes, and which of them takes new folders unless another is named. */
export interface Hosts {
  readonly defaultHost: string;
  readonly hosts: readonly Host[];
}

/**
 * Asks all volumes at once, or those where `userId` may make folders; one that hangs costs at most two seconds.
 */
export async function listHosts(
  services: Pick<Services, 'db' | 'volumes' | 'jobs'>,
  userId?: string,
): Promise<Hosts> {
  const allowance = userId === undefined ? null : await findFolderAllowance(services.db, userId);
  const allowed = allowance?.volumes ?? null;
  const shown = [...services.volumes].filter(([name]) => isAllowed(allowed, name));
  const hosts = await Promise.all(
    shown.map(async ([name, volume]): Promise<Host> => {
      const capacity = await askCapacity(volume);
      if (capacity === undefined || capacity.bytesTotal === 0) return { name, usedPercent: null };
      const usedPercent = (1 - capacity.bytesFree / capacity.bytesTotal) * 100;
      return { name, usedPercent: Math.round(usedPercent * 100) / 100 };
    }),
  );
  return { defaultHost: await defaultHostOf(services, allowed), hosts };
}
