import type { Config } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { callsMaxUsual, createBulkhead } from '../storage/posix/bulkhead.ts';
import { openPosixVolume, type PosixVolume } from '../storage/posix/posix-volume.ts';

/** Threads for everything else that needs one: compression, name resolution, files of our own. */
const threadsSpareMax = 8;

/**
 * How many calls each volume may have under way, so that all of them hung together leave threads for the rest. With
 * fewer threads than volumes there is no such number; each has one then.
 */
export function callsMaxPerVolume({ threads, volumes }: { threads: number; volumes: number }): number {
  const spare = Math.min(threadsSpareMax, Math.ceil(threads / 4));
  return Math.max(1, Math.min(callsMaxUsual, Math.floor((threads - spare) / volumes)));
}

/** What a process ends with that cannot use a volume. */
export function unusable(name: string, root: string, cause: unknown): ConfigError {
  const mend = 'set VFOLDER_VOLUMES to a directory that can be written';
  return new ConfigError(`The volume "${name}" at ${root} cannot be used: ${mend}.`, { cause });
}

/**
 * Opens every configured volume, each behind a bulkhead of its own, and proves that it can be used safely.
 * @throws ConfigError naming the volume that cannot
 */
export async function openVolumes(
  config: Pick<Config, 'volumes' | 'threads'>,
): Promise<ReadonlyMap<string, PosixVolume>> {
  const callsMax = callsMaxPerVolume({ threads: config.threads, volumes: config.volumes.size });
  const open = async ([name, root]: readonly [string, string]) => {
    try {
      const volume = await openPosixVolume({ name, root, bulkhead: createBulkhead({ callsMax }) });
      await volume.selfTest();
      return [name, volume] as const;
    } catch (cause) {
      throw unusable(name, root, cause);
    }
  };
  return new Map(await Promise.all([...config.volumes].map(open)));
}

/** Closes them; a shutdown step. */
export async function closeVolumes(volumes: ReadonlyMap<string, PosixVolume>): Promise<void> {
  await Promise.all([...volumes.values()].map((volume) => volume.close()));
}
