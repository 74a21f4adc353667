import fs from 'node:fs';
import { hasErrno } from '../errno.ts';
import { type Directory, ownDirectory } from './directory.ts';
import { isSmallDirectory } from './directory-size.ts';
import { type ByteName, type EntryName, nameFromBytes, pathAt, pathOf } from './entry-name.ts';
import { modes, openFlags } from './syscalls.ts';

// The same calls as directory.ts in synchronous form, for loops over whole trees: see time-slice.ts.

/** Entries fetched per system call; a larger batch keeps the event loop longer. */
const batchEntries = 1024;
/** Batches in a row that fail because something vanished, before the directory itself counts as removed. */
const vanishedMax = 16;
/** Of a directory: its name and its `.`. */
const linksWithoutSubdirectories = 2n;

/** A name, and what the directory says it is: a hint, for the entry may be replaced at any time. */
export interface ReadEntry {
  readonly name: ByteName;
  readonly type: 'file' | 'directory' | 'other' | 'unknown';
}

function typeOf(entry: fs.Dirent): ReadEntry['type'] {
  if (entry.isFile()) return 'file';
  return entry.isDirectory() ? 'directory' : 'other';
}

/** Some of the entries of a directory, in its order. */
type Run = readonly ReadEntry[];

/** Names without types, all at once. */
function* readUntyped(directory: Directory): Generator<Run, void, undefined> {
  try {
    const names = directory.usingSync((fd) => fs.readdirSync(pathOf(fd), { encoding: 'latin1' }));
    yield names.map((name) => ({ name, type: 'unknown' }));
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
  }
}

interface Reading {
  vanished: number;
  isStarted: boolean;
  /** Not even the first entry could be read with its type. */
  hasNothing: boolean;
}

/** Reads up to {@link batchEntries} into `run`. @returns whether there may be more */
function readRun(reader: fs.Dir, run: ReadEntry[], state: Reading): boolean {
  while (run.length < batchEntries && state.vanished < vanishedMax) {
    try {
      const entry = reader.readSync();
      if (entry === null) return false;
      state.isStarted = true;
      state.vanished = 0;
      run.push({ name: entry.name, type: typeOf(entry) });
    } catch (error) {
      if (!hasErrno(error, 'ENOENT')) throw error;
      state.hasNothing = !state.isStarted;
      if (state.hasNothing) return false;
      state.vanished += 1;
    }
  }
  return state.vanished < vanishedMax;
}

function* readTyped(reader: fs.Dir): Generator<Run, 'all' | 'nothing', undefined> {
  const state: Reading = { vanished: 0, isStarted: false, hasNothing: false };
  for (let isMore = true; isMore; ) {
    const run: ReadEntry[] = [];
    isMore = readRun(reader, run, state);
    if (run.length > 0) yield run;
  }
  return state.hasNothing ? 'nothing' : 'all';
}

/** Names with types, all at once: Node's reader of batches costs more than a small directory itself. */
function* readAtOnce(directory: Directory): Generator<Run, 'all' | 'nothing', undefined> {
  let entries: fs.Dirent[];
  try {
    entries = directory.usingSync((fd) =>
      fs.readdirSync(pathOf(fd), { encoding: 'latin1', withFileTypes: true }),
    );
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) throw error;
    return 'nothing';
  }
  yield entries.map((entry) => ({ name: entry.name, type: typeOf(entry) }));
  return 'all';
}

function* readInBatches(directory: Directory): Generator<Run, 'all' | 'nothing', undefined> {
  const reader = directory.usingSync((fd) =>
    // latin1 makes one character of each byte, so that names which are no UTF-8 survive.
    fs.opendirSync(pathOf(fd), { encoding: 'latin1', bufferSize: batchEntries }),
  );
  try {
    return yield* readTyped(reader);
  } finally {
    reader.closeSync();
  }
}

/** What `stat` says of a directory that tells how best to read it. */
export interface DirectoryShape {
  readonly size: bigint;
  readonly nlink: bigint;
}

/**
 * What is in a directory, read in runs: a directory of a million entries is never in memory at once. With its `shape`, a
 * small one is read by a single call, and then in the order of its names; else in directory order. Returning early closes
 * the reader; so does the end. One removed meanwhile is at its end.
 *
 * A subdirectory is one more link to its parent, so a small directory with no more than two links has none, where links are
 * counted so; its names are read without types, at a part of the cost. Types are hints in any case.
 *
 * Where the file system tells no types, Node looks at each entry itself and fails when one has vanished or has a name
 * that is no ASCII; then the names are read without types.
 */
export function* readRuns(directory: Directory, shape?: DirectoryShape): Generator<Run, void, undefined> {
  const isSmall = shape !== undefined && isSmallDirectory(directory, shape.size);
  if (isSmall && shape.nlink === linksWithoutSubdirectories) {
    yield* readUntyped(directory);
    return;
  }
  const outcome = yield* isSmall ? readAtOnce(directory) : readInBatches(directory);
  if (outcome === 'nothing') yield* readUntyped(directory);
}

/** The entries that {@link readRuns} gives, one by one. */
export function* readEntries(
  directory: Directory,
  shape?: DirectoryShape,
): Generator<ReadEntry, void, undefined> {
  for (const run of readRuns(directory, shape)) yield* run;
}

/** The names {@link readEntries} gives. */
export function* byteNames(
  directory: Directory,
  shape?: DirectoryShape,
): Generator<ByteName, void, undefined> {
  for (const { name } of readEntries(directory, shape)) yield name;
}

/** Opens the directory `name`, never through a symlink. */
export function openChildSync(directory: Directory, name: EntryName): Directory {
  const fd = directory.usingSync((parent) => fs.openSync(pathAt(parent, name), openFlags.directory));
  return ownDirectory(fd, directory.device, directory.bulkhead);
}

/** `lstat` of a name, or `null` when nothing has it. */
export function statSync(directory: Directory, name: EntryName): fs.BigIntStats | null {
  const stat = directory.usingSync((fd) =>
    fs.lstatSync(pathAt(fd, name), { bigint: true, throwIfNoEntry: false }),
  );
  return stat ?? null;
}

/**
 * As {@link statSync} with floating point numbers, at half the cost: exact for sizes up to 2^53 and for devices, not
 * for every inode number.
 */
export function quickStatSync(directory: Directory, name: EntryName): fs.Stats | null {
  const stat = directory.usingSync((fd) => fs.lstatSync(pathAt(fd, name), { throwIfNoEntry: false }));
  return stat ?? null;
}

/** `fstat` of the directory itself. */
export function statDirectorySync(directory: Directory): fs.BigIntStats {
  return directory.usingSync((fd) => fs.fstatSync(fd, { bigint: true }));
}

/** Unlinks a non-directory; false when it was not there. */
export function unlinkSync(directory: Directory, name: EntryName): boolean {
  try {
    directory.usingSync((fd) => fs.unlinkSync(pathAt(fd, name)));
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/**
 * Unlinks one non-directory after the other; those that were not there are passed over, any other failure is told to `fail`. A
 * loop with nothing around the call: a walker has seldom lived long enough for what is around it to be compiled.
 * @returns how many were unlinked
 */
export function unlinkEachSync(
  directory: Directory,
  names: readonly ByteName[],
  fail: (name: ByteName, error: unknown) => void,
): number {
  return directory.usingSync((fd) => {
    let unlinked = 0;
    for (const name of names) {
      try {
        fs.unlinkSync(pathAt(fd, nameFromBytes(name)));
        unlinked += 1;
      } catch (error) {
        if (!hasErrno(error, 'ENOENT')) fail(name, error);
      }
    }
    return unlinked;
  });
}

/** Removes an empty directory; false when it was not there. */
export function removeSync(directory: Directory, name: EntryName): boolean {
  try {
    directory.usingSync((fd) => fs.rmdirSync(pathAt(fd, name)));
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** rename(2) between two directories. */
export function renameSync(from: Directory, fromName: EntryName, to: Directory, toName: EntryName): void {
  from.usingSync((fromFd) =>
    to.usingSync((toFd) => fs.renameSync(pathAt(fromFd, fromName), pathAt(toFd, toName))),
  );
}

/** Lets the owner in: 0700 through the handle, so that no other directory can be meant. */
export function openUpSync(directory: Directory): void {
  directory.usingSync((fd) => fs.chmodSync(pathOf(fd), modes.closed));
}

/** Runs `call`; when the owner locked the directory (mode 000), opens it up and runs it again. */
export function evenLocked<T>(directory: Directory, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!hasErrno(error, 'EACCES')) throw error;
    openUpSync(directory);
    return call();
  }
}

/** {@link readRuns} of a directory that its owner may have locked. */
export function* readRunsEvenLocked(
  directory: Directory,
  shape?: DirectoryShape,
): Generator<readonly ReadEntry[], void, undefined> {
  try {
    yield* readRuns(directory, shape);
  } catch (error) {
    if (!hasErrno(error, 'EACCES')) throw error;
    // Only opening a directory asks for permission, so nothing was read yet.
    openUpSync(directory);
    yield* readRuns(directory, shape);
  }
}
