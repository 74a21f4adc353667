import { randomUUID } from 'node:crypto';
import { domainError } from '../../domain/errors.ts';
import { hasErrno } from './errno.ts';
import { openArea, type VolumeRoot } from './folder-areas.ts';
import {
  type Directory,
  makeChild,
  openChild,
  statChild,
  syncDirectory,
  withDirectory,
} from './handles/directory.ts';
import { byteNames } from './handles/directory-sync.ts';
import { type EntryName, nameFromBytes, pathAt } from './handles/entry-name.ts';
import { renameEvenLocked } from './handles/place.ts';
import { modes, syscalls } from './handles/syscalls.ts';
import { idName } from './layout.ts';

/** Late callers put an entry each into the old directory at most before it is gone. */
const roundsMax = 1_000;

/** Where the old directory waits to be emptied: an id, so that the sweeper finds it, that no version of uuid has. */
function asideName(trashId: string): string {
  return `${trashId.slice(0, 14)}f${trashId.slice(15)}`;
}

async function openIfThere(parent: Directory, name: string): Promise<Directory | null> {
  try {
    return await openChild(parent, name);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

async function moveSlot(from: Directory, to: Directory, name: EntryName): Promise<void> {
  // Never over another entry: one that came late gets a name that is no slot, and is purged with the rest.
  const target = (await statChild(to, name)) === null ? name : randomUUID();
  try {
    await renameEvenLocked({ directory: from, name }, { directory: to, name: target });
  } catch (error) {
    // Another caller seals as well and was faster.
    if (!hasErrno(error, 'ENOENT')) throw error;
  }
}

/** @returns whether the directory is gone; false when something came into it meanwhile */
async function removeEmptied(parent: Directory, name: string): Promise<boolean> {
  try {
    await parent.using((fd) => syscalls.rmdir(pathAt(fd, name)));
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return true;
    if (hasErrno(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}

/** Opens the directory `name`; another caller who seals as well may just have set aside the one that was there. */
async function openMade(trash: Directory, name: string): Promise<Directory> {
  for (let round = 0; round < roundsMax; round += 1) {
    await makeChild(trash, name, modes.closed);
    const made = await openIfThere(trash, name);
    if (made !== null) return made;
  }
  throw domainError('volume_unavailable', 'The trash directory is set aside again and again.');
}

/** Empties what was set aside into the directory `name`, and removes it. */
async function drain(trash: Directory, aside: string, name: string): Promise<void> {
  for (let round = 0; round < roundsMax; round += 1) {
    const old = await openIfThere(trash, aside);
    if (old === null) return;
    await withDirectory(Promise.resolve(old), (from) =>
      withDirectory(openMade(trash, name), async (to) => {
        for (const slot of [...byteNames(from)]) await moveSlot(from, to, nameFromBytes(slot));
        await syncDirectory(to);
      }),
    );
    if (await removeEmptied(trash, aside)) return;
  }
  throw domainError('volume_unavailable', 'The trash directory does not get empty.');
}

/** @returns false when another caller set one aside at the same time */
async function setAside(trash: Directory, name: string, aside: string): Promise<boolean> {
  try {
    await trash.using((fd) => syscalls.rename(pathAt(fd, name), pathAt(fd, aside)));
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return true;
    if (hasErrno(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}

/** `Volume.sealTrash`. A directory that is removed takes no more names, whoever still has it open. */
export async function sealTrash(root: VolumeRoot, folderId: string, trashId: string): Promise<void> {
  const name = idName(trashId);
  const aside = asideName(name);
  await withDirectory(openArea(root, folderId, 'trash'), async (trash) => {
    for (let round = 0; round < roundsMax; round += 1) {
      const isThere = (await statChild(trash, name)) !== null || (await statChild(trash, aside)) !== null;
      if (!isThere) return;
      await makeChild(trash, name, modes.closed);
      await drain(trash, aside, name);
      if (!(await setAside(trash, name, aside))) continue;
      await makeChild(trash, name, modes.closed);
      await drain(trash, aside, name);
      await syncDirectory(trash);
      return;
    }
    throw domainError('volume_unavailable', 'The trash directory is set aside again and again.');
  });
}
