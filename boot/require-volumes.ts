import type { Database } from '../db/client.ts';
import { countFoldersByVolume } from '../db/queries/volumes.ts';
import type { Config } from '../runtime/config.ts';
import { ConfigError } from '../runtime/config-error.ts';
import { createBulkhead } from '../storage/posix/bulkhead.ts';
import { isVolumeUsed } from '../storage/posix/used-volume.ts';
import { unusable } from './open-volumes.ts';

/** Gives up a file system that does not answer. @throws ConfigError */
async function isUsed(name: string, root: string): Promise<boolean> {
  try {
    return await createBulkhead().run(() => isVolumeUsed(root));
  } catch (cause) {
    throw unusable(name, root, cause);
  }
}

/**
 * Sees to it that no volume is opened whose folders are elsewhere: where a mount is missing, opening would begin an empty volume
 * below it, and what is uploaded there is out of sight once the mount is back. Makes nothing.
 * @throws ConfigError naming the volume
 */
export async function requireVolumes(db: Database, { volumes }: Pick<Config, 'volumes'>): Promise<void> {
  for (const [name, root] of volumes) {
    if (await isUsed(name, root)) continue;
    const folders = (await countFoldersByVolume(db)).get(name) ?? 0;
    if (folders === 0) continue;
    throw new ConfigError(
      `The volume "${name}" at ${root} is empty, but ${folders} folders lie on it: mount it; or, if they are lost for good, make the directory ${root}/f.`,
    );
  }
}
