import { type CheckedFolder, listCheckedFolders } from '../../db/queries/fsck.ts';
import { isDomainError } from '../../domain/errors.ts';
import { giveUpClone } from '../../worker/clone-folder.ts';
import { resumePurge } from '../../worker/sweep-storage.ts';
import { aboutFolder, type VolumeCase } from './case.ts';
import { checkDirectories } from './check-directories.ts';
import { checkDigests, checkLitter } from './check-litter.ts';
import { checkUploads } from './check-uploads.ts';
import { checkReserved, checkUsage } from './check-usage.ts';

/** Folders read at a time, and looked at side by side. */
const pageLimit = 200;
const parallelFolders = 4;

/** A folder that waits for a job which is not on its way. */
async function checkJob(target: VolumeCase, { id, state, hasJob }: CheckedFolder): Promise<void> {
  if (hasJob || (state !== 'deleted' && state !== 'cloning')) return;
  const { db, jobs, volume } = target;
  const about = aboutFolder(volume.name, id);
  if (state === 'deleted') {
    const mend = async () => (await resumePurge({ db, jobs }, volume, id)) > 0;
    const detail = 'it is deleted, and no job purges it';
    await target.report({ ...about({ code: 'purge_missing', detail }), mend });
    return;
  }
  const mend = () => db.transaction((tx) => giveUpClone({ jobs }, tx, { folderId: id, volume: volume.name }));
  const detail = 'it is to be filled as a clone, and no job does';
  await target.report({ ...about({ code: 'clone_missing', detail }), mend });
}

async function checkFolder(target: VolumeCase, folder: CheckedFolder): Promise<void> {
  await checkJob(target, folder);
  if (folder.state === 'deleted') return;
  try {
    const isWhole = await checkDirectories(target, folder.id);
    await checkReserved(target, folder);
    if (folder.state === 'cloning' || !isWhole) return;
    await checkUploads(target, [folder.id]);
    await checkLitter(target, folder.id);
    if (folder.state === 'active') await checkUsage(target, folder.id);
  } catch (error) {
    // It was purged while it was looked at.
    if (!isDomainError(error, 'entry_not_found')) throw error;
  }
}

async function checkPage(target: VolumeCase, folders: readonly CheckedFolder[]): Promise<void> {
  const queue = folders.values();
  const work = async () => {
    for (const folder of queue) await checkFolder(target, folder);
  };
  await Promise.all(Array.from({ length: parallelFolders }, () => work()));
  // One after the other, because what was seen lies in one table.
  for (const { id, state, hasDigests } of folders) {
    if (state !== 'active' || !hasDigests) continue;
    try {
      await checkDigests(target, id);
    } catch (error) {
      if (!isDomainError(error, 'entry_not_found')) throw error;
    }
  }
}

/** Looks at every folder of a volume that has a row, or at those in `ids`. @returns how many */
export async function checkFolders(target: VolumeCase, ids: readonly string[] | undefined): Promise<number> {
  let after: string | null = null;
  let checked = 0;
  for (;;) {
    const query = { volume: target.volume.name, after, limit: pageLimit, ids };
    const folders: readonly CheckedFolder[] = await listCheckedFolders(target.db, query);
    await checkPage(target, folders);
    checked += folders.length;
    after = folders.at(-1)?.id ?? null;
    if (folders.length < pageLimit) return checked;
  }
}
