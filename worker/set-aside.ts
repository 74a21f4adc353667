import { parseEntryPath } from '../domain/entry-path.ts';
import { isDomainError } from '../domain/errors.ts';
import type { Volume } from '../storage/volume.ts';

/** Whether anything lies in the `data` of a folder. Files come after the row, so a folder without one that has some lost it. */
export async function holdsEntries(volume: Volume, folderId: string): Promise<boolean> {
  try {
    const { entries } = await volume.list(folderId, parseEntryPath('', 'read'), { limit: 1 });
    return entries.length > 0;
  } catch (error) {
    if (isDomainError(error, 'entry_not_found')) return false;
    throw error;
  }
}

/**
 * Takes a folder that belongs to nobody to where only an operator removes it, with a note that says so.
 * @returns whether there was something to take
 */
export function setAside(volume: Volume, folderId: string): Promise<boolean> {
  const why =
    'The database has no row of this folder here. Take back what you need, then run: vfolder admin gc --orphans';
  const note = { folder: folderId, set_aside_at: new Date().toISOString(), why };
  return volume.setFolderAside(folderId, `${JSON.stringify(note, null, 2)}\n`);
}
