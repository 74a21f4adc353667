import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno } from './errno.ts';
import { foldersName } from './layout.ts';

/** Whether a volume was begun at `root`. Makes nothing, as opening one does. @throws what keeps it from being looked at */
export async function isVolumeUsed(root: string): Promise<boolean> {
  try {
    return (await stat(join(root, foldersName))).isDirectory();
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}
