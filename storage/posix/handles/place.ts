import type { BigIntStats } from 'node:fs';
import { entryConflict, entryNotFound, hasErrno } from '../errno.ts';
import {
  type Directory,
  linkChild,
  makeChild,
  openChild,
  openNumber,
  openUpDirectory,
  removeChild,
  renameChild,
  statChild,
  syncDirectory,
  unlinkChild,
  withDirectory,
} from './directory.ts';
import type { EntryName } from './entry-name.ts';
import { modes, openFlags, syscalls } from './syscalls.ts';

/** One name in one open directory. */
export interface Place {
  readonly directory: Directory;
  readonly name: EntryName;
}

function taken(cause?: unknown): Error {
  return entryConflict('The target path is taken.', cause);
}

/**
 * Renames from one directory to another. A directory's `..` changes with it, which takes the right to write to the
 * directory itself: one that its owner has locked (mode 000) is opened up and tried once more.
 */
export async function renameEvenLocked(from: Place, to: Place): Promise<void> {
  try {
    await renameChild(from.directory, from.name, to.directory, to.name);
  } catch (error) {
    if (!hasErrno(error, 'EACCES')) throw error;
    const stat = await statChild(from.directory, from.name);
    if (!stat?.isDirectory()) throw error;
    await withDirectory(openChild(from.directory, from.name), openUpDirectory);
    await renameChild(from.directory, from.name, to.directory, to.name);
  }
}

/**
 * For file systems without hard links, and for files of other users that the kernel lets nobody link
 * (fs.protected_hardlinks): an empty file takes the name, which never replaces, and is renamed over. Readers may see it
 * empty for a moment, which is why linking comes first.
 */
async function placeOverPlaceholder(from: Place, to: Place): Promise<void> {
  try {
    const fd = await openNumber(to.directory, to.name, openFlags.create, modes.file);
    await to.directory.bulkhead.run(() => syscalls.close(fd), { kind: 'owed' });
  } catch (error) {
    throw hasErrno(error, 'EEXIST', 'ELOOP') ? taken(error) : error;
  }
  try {
    await renameChild(from.directory, from.name, to.directory, to.name);
  } catch (error) {
    await unlinkChild(to.directory, to.name);
    throw hasErrno(error, 'ENOENT') ? entryNotFound(error) : error;
  }
}

/** Gives the file its second name. @returns whether the first is still there */
async function linkOrReplace(from: Place, to: Place, stat: BigIntStats): Promise<boolean> {
  try {
    await linkChild(from.directory, from.name, to.directory, to.name);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) throw entryNotFound(error);
    if (hasErrno(error, 'EPERM', 'EMLINK', 'EOPNOTSUPP')) {
      await placeOverPlaceholder(from, to);
      return false;
    }
    if (!hasErrno(error, 'EEXIST')) throw error;
    // The name was free a moment ago; the same inode there means an NFS server did it and its reply was lost.
    const target = await statChild(to.directory, to.name);
    if (target?.ino !== stat.ino) throw taken(error);
  }
  return true;
}

/**
 * Two movers of one file both give it a new name, but only one of them removes the old one; the other takes its own
 * name back. Not when it is the only name left: then a lost reply only looks like somebody else's removal.
 */
async function giveUpIfTaken(to: Place, stat: BigIntStats): Promise<void> {
  const placed = await statChild(to.directory, to.name);
  if (placed?.ino !== stat.ino || placed.nlink === 1n) return;
  await unlinkChild(to.directory, to.name);
  await syncDirectory(to.directory);
  throw entryNotFound();
}

/**
 * link then unlink: link(2) never replaces. A reader between the two sees the file under both names. What a container
 * puts at the old name between the inode check and the unlink is lost to it; plain Node has no rename that refuses to
 * replace.
 */
async function placeFile(from: Place, to: Place, stat: BigIntStats): Promise<void> {
  const hasBothNames = await linkOrReplace(from, to, stat);
  await syncDirectory(to.directory);
  if (!hasBothNames) return;
  const left = await statChild(from.directory, from.name);
  // Another inode there is a new file that has nothing to do with this one.
  if (left !== null && left.ino !== stat.ino) return;
  const isRemoved = left !== null && (await unlinkChild(from.directory, from.name));
  if (!isRemoved) await giveUpIfTaken(to, stat);
}

/** mkdir then rename over the empty directory: the first never replaces, the second only what is still empty. */
async function placeDirectory(from: Place, to: Place): Promise<void> {
  if (!(await makeChild(to.directory, to.name))) throw taken();
  try {
    await renameEvenLocked(from, to);
  } catch (error) {
    await removeChild(to.directory, to.name).catch(() => undefined);
    if (hasErrno(error, 'ENOENT')) throw entryNotFound(error);
    if (hasErrno(error, 'EINVAL')) throw entryConflict('A directory cannot move into itself.', error);
    if (hasErrno(error, 'EEXIST', 'ENOTEMPTY', 'EISDIR', 'ENOTDIR')) throw taken(error);
    throw error;
  }
  await syncDirectory(to.directory);
}

/**
 * Moves an entry of any kind without ever replacing one, durably.
 * @throws entry_not_found when it is not there, entry_conflict when the target name is taken
 */
export async function placeWithoutReplacing(from: Place, to: Place): Promise<void> {
  const stat = await statChild(from.directory, from.name);
  if (stat === null) throw entryNotFound();
  if ((await statChild(to.directory, to.name)) !== null) throw taken();
  if (stat.isDirectory()) await placeDirectory(from, to);
  else await placeFile(from, to, stat);
  await syncDirectory(from.directory);
}

/**
 * Finishes what a dead call of {@link placeWithoutReplacing} began with the entry `inode`, when the target name was free:
 * a file may have both names by now, a directory an empty one waiting to be renamed over.
 * @throws as {@link placeWithoutReplacing}; entry_not_found also when another entry has the old name
 */
export async function resumePlacing(from: Place, to: Place, inode: string): Promise<void> {
  const target = await statChild(to.directory, to.name);
  const source = await statChild(from.directory, from.name);
  const isThere = String(source?.ino) === inode;
  if (target !== null && String(target.ino) === inode) {
    if (isThere && !target.isDirectory()) await unlinkChild(from.directory, from.name);
    await syncDirectory(to.directory);
    await syncDirectory(from.directory);
    return;
  }
  if (!isThere) throw entryNotFound();
  if (target?.isDirectory() && source?.isDirectory()) await removeIfEmpty(to);
  await placeWithoutReplacing(from, to);
}

async function removeIfEmpty({ directory, name }: Place): Promise<void> {
  try {
    await removeChild(directory, name);
  } catch (error) {
    if (!hasErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) throw error;
  }
}
