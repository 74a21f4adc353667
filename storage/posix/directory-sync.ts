import fs from 'node:fs';
import { type Directory, ownDirectory } from './directory.ts';
import { type ByteName, type EntryName, pathAt, pathOf } from './entry-name.ts';
import { hasErrno } from './errno.ts';
import { modes, openFlags } from './syscalls.ts';

// The same calls as directory.ts in synchronous form, for loops over whole trees: see time-slice.ts.

/** Entries fetched per system call; a larger batch keeps the event loop longer. */
const batchEntries = 1024;

/**
 * The names in a directory, in directory order, read in batches: a directory of a million entries is never in memory
 * at once. Returning early closes the reader; so does the end.
 */
export function* byteNames(directory: Directory): Generator<ByteName, void, undefined> {
  const reader = directory.usingSync((fd) =>
    // latin1 makes one character of each byte, so that names which are no UTF-8 survive.
    fs.opendirSync(pathOf(fd), { encoding: 'latin1', bufferSize: batchEntries }),
  );
  try {
    for (;;) {
      const entry = reader.readSync();
      if (entry === null) return;
      yield entry.name;
    }
  } finally {
    reader.closeSync();
  }
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
