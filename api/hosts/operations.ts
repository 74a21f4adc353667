import { askCapacity } from '../service/readiness.ts';
import type { Services } from '../services.ts';
import { defaultHostOf } from '../volumes/place-folder.ts';

/** A volume where folders can be made; `usedPercent` is `null` while it does not answer. */
export interface Host {
  readonly name: string;
  readonly usedPercent: number | null;
}

/** The volumes of this service, and which of them takes new folders unless another is named. */
export interface Hosts {
  readonly defaultHost: string;
  readonly hosts: readonly Host[];
}

/** Asks all volumes at once; one that hangs costs at most two seconds. */
export async function listHosts(services: Pick<Services, 'volumes' | 'jobs'>): Promise<Hosts> {
  const hosts = await Promise.all(
    [...services.volumes].map(async ([name, volume]): Promise<Host> => {
      const capacity = await askCapacity(volume);
      if (capacity === undefined || capacity.bytesTotal === 0) return { name, usedPercent: null };
      const usedPercent = (1 - capacity.bytesFree / capacity.bytesTotal) * 100;
      return { name, usedPercent: Math.round(usedPercent * 100) / 100 };
    }),
  );
  return { defaultHost: await defaultHostOf(services), hosts };
}
