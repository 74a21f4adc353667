import { openPosixVolume, type PosixVolume } from '../storage/posix/posix-volume.ts';

/** Opens volumes by name for `work` and closes them. */
export async function withVolumes<T>(
  roots: ReadonlyMap<string, string>,
  work: (volumes: ReadonlyMap<string, PosixVolume>) => Promise<T>,
): Promise<T> {
  const volumes = new Map<string, PosixVolume>();
  try {
    for (const [name, root] of roots) volumes.set(name, await openPosixVolume({ name, root }));
    return await work(volumes);
  } finally {
    for (const volume of volumes.values()) await volume.close();
  }
}

/** One of several volumes; which ones are needed is checked before. */
export function volumeNamed(volumes: ReadonlyMap<string, PosixVolume>, name: string): PosixVolume {
  const volume = volumes.get(name);
  if (volume === undefined) throw new Error(`The volume "${name}" is not open.`);
  return volume;
}
