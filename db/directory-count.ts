import { domainError } from '../domain/errors.ts';
import { directoriesMaxOf } from '../domain/quota.ts';
import type { Database } from './client.ts';
import { correctDirectories, findFolderUsage, takeDirectories } from './queries/usage.ts';

/** The directories that one request or run makes in a folder: counted there before they are made, corrected at the end. */
export interface DirectoryCount {
  /** Counts `missing` more that are about to be made. @throws quota_exceeded, not_found (the folder is gone) */
  admit(missing: number): Promise<void>;
  /** Tells of one that was made, admitted or not. */
  onMade(): void;
  /**
   * Corrects the count by what was made, `elsewhere` as well, once nothing more is: others may have made some of what was
   * missing. Never rejects: what cannot be corrected the next measurement mends.
   */
  settle(elsewhere?: number): Promise<void>;
}

/**
 * Opens the count of one request or run; costs no statement where no directory is missing. What is asked for first is asked
 * for with `ahead` more, if there is room, for those that are to follow.
 */
export function countDirectories(db: Database, folderId: string, ahead = 0): DirectoryCount {
  let taken = 0;
  let spare = 0;
  let made = 0;
  const ask = async (count: number): Promise<boolean> => {
    const isGranted = await takeDirectories(db, folderId, count);
    if (isGranted) taken += count;
    return isGranted;
  };
  const refusal = async (requested: number) => {
    const folder = await findFolderUsage(db, folderId);
    if (folder?.state !== 'active') return domainError('not_found', 'The folder is gone.');
    const extra = {
      resource: 'directories',
      limit: directoriesMaxOf(folder),
      used: folder.directories,
      reserved: 0,
      requested,
    };
    return domainError('quota_exceeded', 'The folder may not hold so many directories.', { extra });
  };
  return {
    admit: async (missing) => {
      if (missing <= spare) {
        spare -= missing;
        return;
      }
      if (taken === 0 && ahead > 0 && (await ask(missing + ahead))) spare = ahead;
      else if (!(await ask(missing))) throw await refusal(missing);
    },
    onMade: () => {
      made += 1;
    },
    settle: async (elsewhere = 0) => {
      const difference = made + elsewhere - taken;
      if (difference !== 0) await correctDirectories(db, folderId, difference).catch(() => undefined);
    },
  };
}
