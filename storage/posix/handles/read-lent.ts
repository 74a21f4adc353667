import fs from 'node:fs';
import type { LentName } from '../../volume.ts';
import { hasErrno } from '../errno.ts';
import { pathAt, pathOf } from './entry-name.ts';
import { openFlags } from './syscalls.ts';

// Runs in threads. A lent number stays open until the thread has answered, see `WalkedEntry.lend` and `OpenFile.lend`.

/** Why an entry cannot be read although the volume is well. */
export type Unreadable = 'vanished' | 'changed' | 'unreadable';

function openHandle(handle: number, lent: LentName): Unreadable | { fd: number; stat: fs.BigIntStats } {
  const stat = fs.fstatSync(handle, { bigint: true });
  if (stat.ino !== lent.inode) return 'vanished';
  if (!stat.isFile() || stat.dev !== lent.device) return 'changed';
  try {
    return { fd: fs.openSync(pathOf(handle), openFlags.read), stat };
  } catch (error) {
    if (hasErrno(error, 'EACCES', 'EPERM', 'EAGAIN', 'EBUSY', 'ETXTBSY')) return 'unreadable';
    if (hasErrno(error, 'ENOENT')) return 'vanished';
    throw error;
  }
}

/**
 * Opens a regular file as `openRegularFile` does, synchronously: a handle first, and the inode behind it only if it is
 * the file that was met.
 * @throws the plain error of the system call when the volume fails
 */
export function openLent(lent: LentName): Unreadable | { fd: number; stat: fs.BigIntStats } {
  let handle: number;
  try {
    handle = fs.openSync(pathAt(lent.directory, lent.name), openFlags.anything);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return 'vanished';
    if (hasErrno(error, 'EACCES', 'EPERM')) return 'unreadable';
    throw error;
  }
  try {
    return openHandle(handle, lent);
  } finally {
    fs.closeSync(handle);
  }
}

/** Fills `target` from `position` on. @returns the bytes read, fewer only where the file ends */
export function readFully(fd: number, target: Uint8Array, position: number): number {
  let filled = 0;
  while (filled < target.length) {
    const count = fs.readSync(fd, target, filled, target.length - filled, position + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}

/** Closes what {@link openLent} opened. */
export function closeLent(fd: number): void {
  fs.closeSync(fd);
}
