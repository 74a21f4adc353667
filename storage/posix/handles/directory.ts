import fs from 'node:fs';
import type { Bulkhead } from '../bulkhead.ts';
import { hasErrno } from '../errno.ts';
import { type Descriptor, ownDescriptor } from './descriptor.ts';
import { type EntryName, pathAt, pathOf } from './entry-name.ts';
import { leave } from './standing.ts';
import { modes, openFlags, syscalls } from './syscalls.ts';

/**
 * An open directory (O_PATH). It stays the same directory when it is renamed, and creating in it fails with ENOENT
 * once it is removed. The functions of this module act on one name in it and never follow a symlink of that name.
 * They throw the plain error of the system call.
 */
export interface Directory extends Descriptor {
  /** `st_dev` of the volume; entering a directory on another device is refused. */
  readonly device: bigint;
  share(): Directory;
}

const bigint = { bigint: true } as const;

function asDirectory(descriptor: Descriptor, device: bigint): Directory {
  return {
    device,
    isOpen: descriptor.isOpen,
    bulkhead: descriptor.bulkhead,
    using: descriptor.using,
    usingWithin: descriptor.usingWithin,
    usingSync: descriptor.usingSync,
    share: () => asDirectory(descriptor.share(), device),
    close: descriptor.close,
  };
}

/** Takes ownership of an O_PATH descriptor. It has no content to flush, so closing it never waits and needs no pool. */
export function ownDirectory(fd: number, device: bigint, bulkhead: Bulkhead): Directory {
  return asDirectory(
    ownDescriptor(
      fd,
      (number) => {
        leave(number);
        fs.closeSync(number);
      },
      bulkhead,
    ),
    device,
  );
}

/** A directory of which somebody else has the number, and closes it later. */
export function borrowDirectory(fd: number, device: bigint): Directory {
  return asDirectory(
    ownDescriptor(fd, () => undefined),
    device,
  );
}

/**
 * Opens the directory `name`. A symlink, or anything else that is no directory, is ENOTDIR.
 * Not compared with the volume's device; whoever walks does that.
 */
export async function openChild(directory: Directory, name: EntryName): Promise<Directory> {
  const fd = await openNumber(directory, name, openFlags.directory);
  return ownDirectory(fd, directory.device, directory.bulkhead);
}

/** Opens a name; the caller owns the number. One that comes too late for its caller is closed. */
export function openNumber(
  directory: Descriptor,
  name: EntryName,
  flags: number,
  mode?: number,
): Promise<number> {
  return directory.using((parent) => syscalls.open(pathAt(parent, name), flags, mode), { onLate: closeLate });
}

/** For numbers that nobody waits for any more. */
export function closeLate(fd: number): void {
  fs.close(fd, () => undefined);
}

/** `fstat` of the directory itself. */
export function statDirectory(directory: Directory): Promise<fs.BigIntStats> {
  return directory.using((fd) => syscalls.fstat(fd, bigint));
}

/** `lstat` of a name, or `null` when nothing has it. */
export async function statChild(directory: Directory, name: EntryName): Promise<fs.BigIntStats | null> {
  try {
    return await directory.using((fd) => syscalls.lstat(pathAt(fd, name), bigint));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

/** Makes a directory; false when the name is taken already, whatever by. */
export async function makeChild(
  directory: Directory,
  name: EntryName,
  mode: number = modes.directory,
): Promise<boolean> {
  try {
    await directory.using((fd) => syscalls.mkdir(pathAt(fd, name), mode));
    return true;
  } catch (error) {
    if (hasErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

/** rename(2). Replaces a non-directory and an empty directory, each only by its like. Both ends are single names. */
export async function renameChild(
  from: Directory,
  fromName: EntryName,
  to: Directory,
  toName: EntryName,
): Promise<void> {
  await from.using((fromFd) =>
    to.usingWithin((toFd) => syscalls.rename(pathAt(fromFd, fromName), pathAt(toFd, toName))),
  );
}

/** link(2), which never replaces and never follows: a link to a symlink is a second name of the symlink. */
export async function linkChild(
  from: Directory,
  fromName: EntryName,
  to: Directory,
  toName: EntryName,
): Promise<void> {
  await from.using((fromFd) =>
    to.usingWithin((toFd) => syscalls.link(pathAt(fromFd, fromName), pathAt(toFd, toName))),
  );
}

/** Unlinks a non-directory; false when it was not there. */
export async function unlinkChild(directory: Directory, name: EntryName): Promise<boolean> {
  try {
    await directory.using((fd) => syscalls.unlink(pathAt(fd, name)));
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Removes an empty directory; false when it was not there. */
export async function removeChild(directory: Directory, name: EntryName): Promise<boolean> {
  try {
    await directory.using((fd) => syscalls.rmdir(pathAt(fd, name)));
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** Makes the names in a directory durable. Opens it for reading first because O_PATH cannot be synced. */
export async function syncDirectory(directory: Directory): Promise<void> {
  await directory.using(
    async (fd) => {
      const readable = await syscalls.open(pathOf(fd), openFlags.sync);
      try {
        await syscalls.fsync(readable);
      } finally {
        await syscalls.close(readable);
      }
    },
    { kind: 'patient' },
  );
}

/** Lets the owner in: 0700 through the handle, so that no other directory can be meant. */
export async function openUpDirectory(directory: Directory): Promise<void> {
  await directory.using((fd) => syscalls.chmod(pathOf(fd), modes.closed));
}

/** Runs `work` with a directory and closes it afterwards. */
export async function withDirectory<T>(
  opening: Directory | Promise<Directory>,
  work: (directory: Directory) => Promise<T>,
): Promise<T> {
  const directory = await opening;
  try {
    return await work(directory);
  } finally {
    await directory.close();
  }
}
