import { randomBytes } from 'node:crypto';
import { entryConflict, errnoOf, hasErrno } from '../errno.ts';
import type { Directory } from '../handles/directory.ts';
import {
  evenLocked,
  openChildSync,
  readRunsEvenLocked,
  removeSync,
  renameSync,
  statDirectorySync,
  unlinkEachSync,
  unlinkSync,
} from '../handles/directory-sync.ts';
import { type ByteName, type EntryName, nameFromBytes } from '../handles/entry-name.ts';
import { type HeldNames, holdGiven, holdNames } from './held-names.ts';
import type { TreePart, Work } from './tree-part.ts';

/** Directories entered inside one another, one descriptor each; what is deeper is moved up first. */
const nestedMax = 24;
/** Subdirectories held of one directory; the rest is read once these are gone. */
const directoriesMax = 10_000;

/** One directory being emptied. */
interface Level {
  readonly directory: Directory;
  readonly path: readonly ByteName[];
  readonly held: HeldNames;
}

interface Purge {
  readonly work: Work;
  /** What lies too deep is flattened into here, so that depth costs neither descriptors nor long paths. */
  readonly root: Directory;
  /** What was flattened, to be worked off next. */
  readonly flat: Level;
  /** The directories being emptied, from the root down. */
  readonly levels: Level[];
  readonly newName: () => string;
}

/** Names no slot, no id and no other purge of the same directory uses. */
export function createFlatNames(): () => string {
  const prefix = `p-${randomBytes(8).toString('hex')}-`;
  let count = 0;
  return () => {
    count += 1;
    return `${prefix}${count}`;
  };
}

/** Vanished, refilled, or turned into something else under our hands: the next round sees what is left. */
function isPassing(error: unknown): boolean {
  return hasErrno(error, 'ENOENT', 'ENOTEMPTY', 'EEXIST', 'EISDIR', 'ENOTDIR', 'ELOOP');
}

/** Runs `remove`; a failure of one entry does not keep the others. */
function attempt(work: Work, remove: () => void): void {
  try {
    remove();
  } catch (error) {
    // What is no failed system call is a bug, or says that a mount point is in the way.
    if (errnoOf(error) === 0) throw error;
    if (!isPassing(error)) work.fail(error);
  }
}

function removeFile(work: Work, level: Level, bytes: ByteName): void {
  const { directory, held } = level;
  const name = nameFromBytes(bytes);
  try {
    if (evenLocked(directory, () => unlinkSync(directory, name))) work.tally.entries += 1;
  } catch (error) {
    // A directory all the same: Linux says EISDIR, POSIX has EPERM.
    if (!hasErrno(error, 'EISDIR', 'EPERM')) throw error;
    if (hasErrno(error, 'EPERM') && !isDirectory(directory, name)) throw error;
    held.directories.push(bytes);
  }
}

function isDirectory(parent: Directory, name: EntryName): boolean {
  try {
    void openChildSync(parent, name).close();
    return true;
  } catch {
    return false;
  }
}

/** Removes the next few files; the first of them tells how quick the storage is. */
function removeSome({ work }: Purge, level: Level): void {
  const { directory, held } = level;
  work.enter(directory);
  const names = held.takeFiles(work.stepEntries());
  // What is locked, or no file after all, takes more than one call.
  const again = (name: ByteName): void => attempt(work, () => removeFile(work, level, name));
  const startedAt = performance.now();
  const first = unlinkEachSync(directory, names.slice(0, 1), again);
  work.sample(performance.now() - startedAt);
  const others = unlinkEachSync(directory, names.slice(1), again);
  // Added at the end, for what took another call was counted meanwhile.
  work.tally.entries += first + others;
}

/** Gives away what was asked for, from as high up as possible. */
function share({ work, flat, levels }: Purge): void {
  const demand = work.demand();
  if (demand === 'none') return;
  const present = levels.at(-1);
  for (const level of [flat, ...levels]) {
    const { path, held } = level;
    held.fill();
    const shares = held.split(demand, {
      last: level === present ? 'keep' : 'give',
      stepEntries: work.stepEntries(),
      takers: work.takers(),
    });
    if (shares.length === 0) continue;
    work.give(shares.map((names) => ({ path, names })));
    return;
  }
}

/** Moves a subdirectory to the root. Changing its `..` takes the right to write to it, so it is opened up too. */
function flatten(purge: Purge, directory: Directory, name: EntryName): void {
  const flatName = purge.newName();
  const move = (): void => renameSync(directory, name, purge.root, flatName);
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
  const { directories } = purge.flat.held;
  // What is not remembered is found when the root is read again.
  if (directories.length < directoriesMax) directories.push(flatName);
}

/** Empties and removes a directory. One that others are still at, or that was refilled, stays. */
function* removeDirectory(purge: Purge, parent: Level, bytes: ByteName): Generator<void, void> {
  const { work } = purge;
  const name = nameFromBytes(bytes);
  const startedAt = performance.now();
  const directory = evenLocked(parent.directory, () => openChildSync(parent.directory, name));
  work.sample(performance.now() - startedAt);
  try {
    const stat = statDirectorySync(directory);
    if (stat.dev !== directory.device) {
      work.fail(entryConflict('Another file system is mounted there.'));
      return;
    }
    work.enter(directory);
    const path = [...parent.path, bytes];
    const held = holdNames(readRunsEvenLocked(directory, stat), directoriesMax);
    yield* emptyDirectory(purge, { directory, path, held });
  } finally {
    void directory.close();
  }
  countRemoved(work, removeEmptied(parent.directory, name));
}

/** Takes the right to write to the parent, too, which it may lack when it held nothing but directories. */
function removeEmptied(parent: Directory, name: EntryName): boolean {
  return evenLocked(parent, () => removeSync(parent, name));
}

function countRemoved({ tally }: Work, isRemoved: boolean): void {
  if (!isRemoved) return;
  tally.entries += 1;
  tally.directories += 1;
}

function* removeSubdirectory(purge: Purge, level: Level, name: ByteName): Generator<void, void> {
  try {
    if (level.path.length < nestedMax) yield* removeDirectory(purge, level, name);
    else flatten(purge, level.directory, nameFromBytes(name));
  } catch (error) {
    attempt(purge.work, () => {
      throw error;
    });
  }
}

/** Removes what can be removed from a directory; what a container adds meanwhile may be missed. */
function* emptyDirectory(purge: Purge, level: Level): Generator<void, void> {
  const { held } = level;
  purge.levels.push(level);
  try {
    do {
      held.fill();
      share(purge);
      while (held.files.length > 0) {
        removeSome(purge, level);
        yield;
        // Right after what was asked for is heard.
        share(purge);
      }
      for (let name = held.directories.pop(); name !== undefined; name = held.directories.pop()) {
        yield* removeSubdirectory(purge, level, name);
        yield;
        share(purge);
      }
    } while (held.hasMore());
  } finally {
    held.close();
    purge.levels.pop();
  }
}

/** Removes the directories at and above the end of a part, as far as they are empty: whoever comes last does. */
function removeUpwards(work: Work, chain: readonly Directory[], path: readonly ByteName[]): void {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const parent = chain[depth - 1];
    const name = path[depth - 1];
    if (parent === undefined || name === undefined) return;
    try {
      countRemoved(work, removeEmptied(parent, nameFromBytes(name)));
    } catch (error) {
      if (!isPassing(error)) work.fail(error);
      return;
    }
  }
}

/**
 * Removes a part of a tree, in small steps. `chain` holds the root and each directory of the part's path; they stay
 * open. Several threads and processes may purge the same tree.
 * @returns whether nothing was found
 */
export function* purgePart(
  chain: readonly [Directory, ...Directory[]],
  part: TreePart,
  work: Work,
): Generator<void, boolean> {
  const [root] = chain;
  const directory = chain.at(-1) ?? root;
  const flat: Level = { directory: root, path: [], held: holdGiven({ files: [], directories: [] }) };
  const purge: Purge = { work, root, flat, levels: [], newName: createFlatNames() };
  const { names } = part;
  const held = names === null ? holdNames(readRunsEvenLocked(directory), directoriesMax) : holdGiven(names);
  held.fill();
  const isEmpty = held.files.length + held.directories.length === 0;
  yield* emptyDirectory(purge, { directory, path: part.path, held });
  const pending = flat.held.directories;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    yield* removeSubdirectory(purge, flat, name);
    yield;
    share(purge);
  }
  removeUpwards(work, chain, part.path);
  return isEmpty;
}
