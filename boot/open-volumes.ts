import type { Config } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { openPosixVolume, type PosixVolume } from '../storage/posix/posix-volume.ts';

/**
 * Opens every configured volume and proves that it can be used safely.
 * @throws ConfigError naming the volume that cannot
 */
export async function openVolumes(config: Config): Promise<ReadonlyMap<string, PosixVolume>> {
  const open = async ([name, root]: readonly [string, string]) => {
    try {
      const volume = await openPosixVolume({ name, root });
      await volume.selfTest();
      return [name, volume] as const;
    } catch (cause) {
      const mend = 'set VFOLDER_VOLUMES to a directory that can be written';
      throw new ConfigError(`The volume "${name}" at ${root} cannot be used: ${mend}.`, { cause });
    }
  };
  return new Map(await Promise.all([...config.volumes].map(open)));
}

/** Closes them; a shutdown step. */
export async function closeVolumes(volumes: ReadonlyMap<string, PosixVolume>): Promise<void> {
  await Promise.all([...volumes.values()].map((volume) => volume.close()));
}
