import { randomBytes } from 'node:crypto';
import { isDomainError } from '../../domain/errors.ts';
import type { TreeUsage, WorkOptions } from '../volume.ts';
import {
  type Directory,
  makeChild,
  openChild,
  removeChild,
  statChild,
  syncDirectory,
  withDirectory,
} from './directory.ts';
import {
  byteNames,
  openChildSync,
  openUpSync,
  removeSync,
  renameSync,
  statSync,
  unlinkSync,
} from './directory-sync.ts';
import { type ByteName, type EntryName, nameFromBytes } from './entry-name.ts';
import { entryConflict, hasErrno } from './errno.ts';
import { idName, openArea, openFolder, openFolderParent } from './layout.ts';
import { renameEvenLocked } from './place.ts';
import { createPace, type Pace, toTreeUsage } from './progress.ts';
import { modes } from './syscalls.ts';

/** Subdirectories remembered to be worked off next; more wait in the purge root until it is read again. */
const pendingMax = 1000;
/** Times the purge root is read. A container that still sits in a purged directory could refill it for ever. */
const roundsMax = 1000;

interface Purge {
  /** Every subdirectory is flattened into here, so that depth costs neither descriptors nor long paths. */
  readonly purgeRoot: Directory;
  readonly pace: Pace;
  readonly pending: string[];
  readonly newName: () => string;
  /** The first entry that could not be removed; the rest is removed all the same. */
  failure: unknown;
}

/** Names no slot, no id and no other purge of the same directory uses. */
function createNames(): () => string {
  const prefix = `p-${randomBytes(8).toString('hex')}-`;
  let count = 0;
  return () => {
    count += 1;
    return `${prefix}${count}`;
  };
}

/** Runs `call`; when the owner locked the directory (mode 000), opens it up and runs it again. */
function evenLocked<T>(directory: Directory, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!hasErrno(error, 'EACCES')) throw error;
    openUpSync(directory);
    return call();
  }
}

/** Moves a subdirectory to the purge root. Changing its `..` takes the right to write to it, so it is opened up too. */
function flatten(purge: Purge, directory: Directory, name: EntryName): void {
  const flatName = purge.newName();
  const move = (): void => renameSync(directory, name, purge.purgeRoot, flatName);
  try {
    evenLocked(directory, move);
  } catch (error) {
    if (!hasErrno(error, 'EACCES')) throw error;
    const child = openChildSync(directory, name);
    try {
      evenLocked(child, move);
    } finally {
      void child.close();
    }
  }
  if (purge.pending.length < pendingMax) purge.pending.push(flatName);
}

function removeEntry(purge: Purge, directory: Directory, name: EntryName): void {
  const stat = evenLocked(directory, () => statSync(directory, name));
  if (stat === null) return;
  if (stat.isDirectory()) {
    flatten(purge, directory, name);
    return;
  }
  if (!evenLocked(directory, () => unlinkSync(directory, name))) return;
  const { tally } = purge.pace;
  tally.entries += 1;
  // The bytes are freed, and the file counted, with the last name of the inode.
  if (!stat.isFile() || stat.nlink > 1n) return;
  tally.files += 1;
  tally.bytes += Number(stat.size);
}

function tryRemoveEntry(purge: Purge, directory: Directory, name: EntryName): void {
  try {
    removeEntry(purge, directory, name);
  } catch (error) {
    // Vanished, or a file became a directory under our hands: the next round sees what is left.
    if (!hasErrno(error, 'ENOENT', 'EISDIR', 'ENOTDIR')) purge.failure ??= error;
  }
}

function* namesEvenLocked(directory: Directory): Generator<ByteName, void, undefined> {
  try {
    yield* byteNames(directory);
  } catch (error) {
    if (!hasErrno(error, 'EACCES')) throw error;
    // Only opening a directory asks for permission, so nothing was read yet.
    openUpSync(directory);
    yield* byteNames(directory);
  }
}

/** Removes what can be removed from a directory; what a container adds meanwhile may be missed. */
async function emptyDirectory(purge: Purge, directory: Directory): Promise<void> {
  for (const name of namesEvenLocked(directory)) {
    if (purge.pace.isOver()) await purge.pace.rest();
    tryRemoveEntry(purge, directory, nameFromBytes(name));
  }
}

/** Empties and removes one directory of the purge root. One that was refilled meanwhile stays for the next round. */
async function removeFlat(purge: Purge, name: EntryName): Promise<void> {
  const { purgeRoot, pace } = purge;
  if (pace.isOver()) await pace.rest();
  try {
    const directory = openChildSync(purgeRoot, name);
    try {
      await emptyDirectory(purge, directory);
    } finally {
      void directory.close();
    }
    if (!removeSync(purgeRoot, name)) return;
    pace.tally.entries += 1;
    pace.tally.directories += 1;
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) purge.failure ??= error;
  }
}

async function removePending(purge: Purge): Promise<void> {
  for (let name = purge.pending.pop(); name !== undefined; name = purge.pending.pop()) {
    await removeFlat(purge, name);
  }
}

/** One pass over the purge root. @returns whether it was found empty */
async function purgeRound(purge: Purge): Promise<boolean> {
  let isEmpty = true;
  for (const byteName of byteNames(purge.purgeRoot)) {
    isEmpty = false;
    const name = nameFromBytes(byteName);
    const stat = statSync(purge.purgeRoot, name);
    if (stat?.isDirectory()) await removeFlat(purge, name);
    else tryRemoveEntry(purge, purge.purgeRoot, name);
    await removePending(purge);
    if (purge.pace.isOver()) await purge.pace.rest();
  }
  return isEmpty;
}

/**
 * Removes everything in `purgeRoot`, which nobody else can reach by name: iteratively, any depth and width, with three
 * descriptors. Counts into `pace`. Several processes may do it at once.
 * @throws the failure of the first entry that cannot be removed, after everything else was
 */
async function purgeContents(purgeRoot: Directory, pace: Pace): Promise<void> {
  const purge: Purge = { purgeRoot, pace, pending: [], newName: createNames(), failure: undefined };
  for (let round = 1; round <= roundsMax; round += 1) {
    const before = pace.tally.entries;
    if (await purgeRound(purge)) return;
    if (purge.failure !== undefined && pace.tally.entries === before) throw purge.failure;
  }
  throw entryConflict('Files are still being created in what is purged.', purge.failure);
}

async function removeEmptied(parent: Directory, name: EntryName, pace: Pace): Promise<void> {
  await withDirectory(openChild(parent, name), (directory) => purgeContents(directory, pace));
  await removeChild(parent, name);
}

async function unlessGone(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!hasErrno(error, 'ENOENT') && !isDomainError(error, 'entry_not_found')) throw error;
  }
}

/** `Volume.purgeTrash`. */
export async function purgeTrash(
  root: Directory,
  folderId: string,
  trashId: string,
  options: WorkOptions | undefined,
): Promise<TreeUsage> {
  const name = idName(trashId);
  const pace = createPace(options);
  await unlessGone(() =>
    withDirectory(openArea(root, folderId, 'trash'), (trash) => removeEmptied(trash, name, pace)),
  );
  return toTreeUsage(pace.tally);
}

/** Takes an area out of the reach of every route and mount path, in one step. */
async function retireArea(folder: Directory, area: 'data' | 'stage', trash: Directory): Promise<void> {
  if ((await statChild(folder, area)) === null) return;
  await unlessGone(() =>
    renameEvenLocked({ directory: folder, name: area }, { directory: trash, name: createNames()() }),
  );
}

async function purgeAreas(folder: Directory, pace: Pace): Promise<void> {
  await makeChild(folder, 'trash', modes.closed);
  await withDirectory(openChild(folder, 'trash'), async (trash) => {
    await retireArea(folder, 'data', trash);
    await retireArea(folder, 'stage', trash);
    await syncDirectory(folder);
    await purgeContents(trash, pace);
  });
  await removeChild(folder, 'trash');
}

/** `Volume.purgeFolder`. */
export async function purgeFolder(
  root: Directory,
  folderId: string,
  options: WorkOptions | undefined,
): Promise<TreeUsage> {
  const name = idName(folderId);
  const pace = createPace(options);
  await unlessGone(async () => {
    await withDirectory(openFolder(root, folderId), (folder) => purgeAreas(folder, pace));
    await withDirectory(openFolderParent(root, folderId), async (parent) => {
      await removeChild(parent, name);
      await syncDirectory(parent);
    });
  });
  return toTreeUsage(pace.tally);
}
