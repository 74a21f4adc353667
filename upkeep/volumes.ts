import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { openPosixVolume, type PosixVolume } from '../storage/posix/posix-volume.ts';
import { UpkeepRefusal } from './refusal.ts';

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

/** The roots of all volumes of the settings by name, or of the one named. @throws ConfigError when that is none of them */
export function chooseVolumes(
  config: Pick<Config, 'volumes'>,
  only: string | undefined,
): ReadonlyMap<string, string> {
  if (only === undefined) return config.volumes;
  const root = config.volumes.get(only);
  if (root === undefined) throw new ConfigError(`VFOLDER_VOLUMES does not name the volume "${only}".`);
  return new Map([[only, root]]);
}

async function lookAtFolders(root: string): Promise<void> {
  await stat(join(root, 'f'));
}

/** Whether a volume that was used before is at `root`. */
export async function isMounted(root: string): Promise<boolean> {
  return await lookAtFolders(root).then(
    () => true,
    () => false,
  );
}

/** A mount that is missing must not look like lost folders, and opening would make directories below it. @throws UpkeepRefusal */
export async function requireMounted(name: string, root: string): Promise<void> {
  await lookAtFolders(root).catch((cause: unknown) => {
    throw new UpkeepRefusal(`The volume "${name}" is not at ${root}: is it mounted?`, { cause });
  });
}
