import fs from 'node:fs';
import { promisify } from 'node:util';

/**
 * The asynchronous system calls in use, each running in libuv's pool so that a slow volume does not block the event
 * loop. Numeric descriptors on purpose: a FileHandle of a directory is closed by the garbage collector.
 */
export const syscalls = {
  open: promisify(fs.open),
  close: promisify(fs.close),
  fstat: promisify(fs.fstat),
  lstat: promisify(fs.lstat),
  mkdir: promisify(fs.mkdir),
  rename: promisify(fs.rename),
  link: promisify(fs.link),
  unlink: promisify(fs.unlink),
  rmdir: promisify(fs.rmdir),
  fsync: promisify(fs.fsync),
  chmod: promisify(fs.chmod),
  chown: promisify(fs.chown),
  statfs: promisify(fs.statfs),
  symlink: promisify(fs.symlink),
  copyFile: promisify(fs.copyFile),
  write: promisify(fs.write),
  ftruncate: promisify(fs.ftruncate),
  fchmod: promisify(fs.fchmod),
  futimes: promisify(fs.futimes),
} as const;

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NONBLOCK } = fs.constants;
/** O_PATH of Linux, which Node does not export: a handle that names an inode without opening its content. */
const O_PATH = 0o10000000;

/** Flag sets of open(2). Node adds O_CLOEXEC to all of them. */
export const openFlags = {
  /** A directory handle: never a symlink, never opens a fifo or device, needs no right to read the directory. */
  directory: O_PATH | O_DIRECTORY | O_NOFOLLOW,
  /** The root of a volume, by the operator's path. */
  root: O_PATH | O_DIRECTORY,
  /** A handle of whatever has the name, a symlink itself included; to look at before it is opened. */
  anything: O_PATH | O_NOFOLLOW,
  /** To read what a handle names. O_NONBLOCK defuses leases and, were it one after all, a fifo. */
  read: O_RDONLY | O_NONBLOCK,
  /** To sync a directory, which an O_PATH handle cannot. */
  sync: O_RDONLY | O_DIRECTORY,
  /** A new file, which must not exist yet in any form. */
  create: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
  /** To go on writing to a file of ours; never in `data`, where a container may have put something else. */
  write: O_WRONLY | O_NOFOLLOW,
  /** As `write`, making the file when it is missing. */
  writeOrCreate: O_WRONLY | O_CREAT | O_NOFOLLOW,
} as const;

/** Permission bits of what the service makes, before the process's umask. */
export const modes = {
  /** Directories above a folder's own: to pass through, not to list. */
  upper: 0o711,
  /** Staging and trash, which nobody else has business with. */
  closed: 0o700,
  directory: 0o755,
  file: 0o644,
} as const;
