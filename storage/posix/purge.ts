import { randomBytes } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
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
import { entryConflict, errnoOf, hasErrno } from './errno.ts';
import { openArea, openFolder, openFolderParent, type VolumeRoot } from './folder-areas.ts';
import { idName } from './layout.ts';
import { renameEvenLocked } from './place.ts';
import { createPace, type Pace, toTreeUsage } from './progress.ts';
import { modes } from './syscalls.ts';

/** Directories entered inside one another, two descriptors each; what is deeper is moved up first. */
const nestedMax = 16;
/** Subdirectories remembered to be worked off next; more wait in the purge root until it is read again. */
const pendingMax = 1000;
/** Times the purge root is read. A container that still sits in a purged directory could refill it for ever. */
const roundsMax = 1000;

/** Failures kept of one round. */
const failuresMax = 1;

interface Purge {
  /** What lies too deep is flattened into here, so that depth costs neither descriptors nor long paths. */
  readonly purgeRoot: Directory;
  readonly pace: Pace;
  readonly pending: string[];
  readonly newName: () => string;
  /** The first entries that could not be removed in this round; the rest is removed all the same. */
  readonly failures: unknown[];
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

function keepFailure(purge: Purge, failure: unknown): void {
  if (purge.failures.length < failuresMax) purge.failures.push(failure);
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

function removeFile(purge: Purge, directory: Directory, name: EntryName, stat: BigIntStats): void {
  if (!evenLocked(directory, () => unlinkSync(directory, name))) return;
  const { tally } = purge.pace;
  tally.entries += 1;
  // The bytes are freed, and the file counted, with the last name of the inode.
  if (!stat.isFile() || stat.nlink > 1n) return;
  tally.files += 1;
  tally.bytes += Number(stat.size);
}

/** Empties and removes a directory. One that was refilled meanwhile stays for the next round. */
async function removeDirectory(
  purge: Purge,
  parent: Directory,
  name: EntryName,
  depth: number,
): Promise<void> {
  const directory = evenLocked(parent, () => openChildSync(parent, name));
  try {
    await emptyDirectory(purge, directory, depth);
  } finally {
    void directory.close();
  }
  if (!removeSync(parent, name)) return;
  purge.pace.tally.entries += 1;
  purge.pace.tally.directories += 1;
}

async function removeEntry(
  purge: Purge,
  directory: Directory,
  name: EntryName,
  depth: number,
): Promise<void> {
  try {
    const stat = evenLocked(directory, () => statSync(directory, name));
    if (stat === null) return;
    if (stat.dev !== directory.device)
      keepFailure(purge, entryConflict('Another file system is mounted there.'));
    else if (!stat.isDirectory()) removeFile(purge, directory, name, stat);
    else if (depth < nestedMax) await removeDirectory(purge, directory, name, depth + 1);
    else flatten(purge, directory, name);
  } catch (error) {
    // An abort ends the purge.
    if (errnoOf(error) === 0) throw error;
    // Vanished, refilled, or turned into something else under our hands: the next round sees what is left.
    const isPassing = hasErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'EISDIR', 'ENOTDIR');
    if (!isPassing) keepFailure(purge, error);
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
async function emptyDirectory(purge: Purge, directory: Directory, depth: number): Promise<void> {
  for (const name of namesEvenLocked(directory)) {
    if (purge.pace.isOver()) await purge.pace.rest();
    await removeEntry(purge, directory, nameFromBytes(name), depth);
  }
}

/** One pass over the purge root and what was flattened into it meanwhile. @returns whether it was found empty */
async function purgeRound(purge: Purge): Promise<boolean> {
  let isEmpty = true;
  for (const name of byteNames(purge.purgeRoot)) {
    isEmpty = false;
    await removeEntry(purge, purge.purgeRoot, nameFromBytes(name), 0);
    for (let flat = purge.pending.pop(); flat !== undefined; flat = purge.pending.pop()) {
      await removeEntry(purge, purge.purgeRoot, flat, 0);
    }
    if (purge.pace.isOver()) await purge.pace.rest();
  }
  return isEmpty;
}

/**
 * Removes everything in `purgeRoot`, which nobody else can reach by name: any depth and width, with a bounded number
 * of descriptors. Counts into `pace`. Several processes may do it at once.
 * @throws the failure of the first entry that cannot be removed, after everything else was
 */
async function purgeContents(purgeRoot: Directory, pace: Pace): Promise<void> {
  const purge: Purge = { purgeRoot, pace, pending: [], newName: createNames(), failures: [] };
  for (let round = 1; round <= roundsMax; round += 1) {
    const before = pace.tally.entries;
    purge.failures.length = 0;
    if (await purgeRound(purge)) return;
    const [failure] = purge.failures;
    if (failure !== undefined && pace.tally.entries === before) throw failure;
  }
  throw entryConflict('Files are still being created in what is purged.', purge.failures[0]);
}

/** Empties a directory that nobody else can reach by name, and removes it. @throws as {@link purgeContents}; ENOENT */
export async function removeEmptied(parent: Directory, name: EntryName, pace: Pace): Promise<void> {
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
  root: VolumeRoot,
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
  root: VolumeRoot,
  folderId: string,
  options: WorkOptions | undefined,
): Promise<TreeUsage> {
  const name = idName(folderId);
  const pace = createPace(options);
  await unlessGone(async () => {
    root.folders.drop(folderId);
    await withDirectory(openFolder(root, folderId), (folder) => purgeAreas(folder, pace));
    await withDirectory(openFolderParent(root, folderId), async (parent) => {
      await removeChild(parent, name);
      await syncDirectory(parent);
    });
  });
  root.folders.drop(folderId);
  return toTreeUsage(pace.tally);
}
