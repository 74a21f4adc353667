import fs from 'node:fs';
import type { Transferable } from 'node:worker_threads';
import type { Done } from '../../threads/serve-tasks.ts';
import type { EntryStat } from '../../volume.ts';
import { errnoOf, hasErrno } from '../errno.ts';
import { pathAt, pathOf } from '../handles/entry-name.ts';
import { toEntryStat } from '../handles/entry-stat.ts';
import { readFully } from '../handles/read-lent.ts';
import { openFlags } from '../handles/syscalls.ts';

// Runs in threads. The folder's number is lent until the thread has answered.

/** Files up to this size are read at once, and need no descriptor. */
const wholeBytesMax = 64 * 1024;

/** A regular file to open: one of `area`, a directory of the folder whose descriptor is lent. */
export interface ReadTask {
  readonly kind: 'open';
  readonly folder: number;
  /** `st_dev` of the volume; what lies on another device is none of it. */
  readonly device: bigint;
  readonly area: string;
  /** Components from the area down. */
  readonly path: readonly string[];
}

/** What became of it: its content, a descriptor that the receiver closes, or why there is none. */
export type ReadResult =
  | { readonly kind: 'content'; readonly stat: EntryStat; readonly content: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'descriptor'; readonly stat: EntryStat; readonly fd: number }
  | { readonly kind: 'entry_not_found' | 'entry_not_regular' }
  | {
      /** A system call failed: on the area, or on what lies in it. */
      readonly kind: 'area_failed' | 'entry_failed';
      readonly errno: number;
      readonly message: string;
    };

function closeAll(numbers: readonly number[]): void {
  for (const number of numbers) fs.closeSync(number);
}

function failed(kind: 'area_failed' | 'entry_failed', error: unknown): ReadResult {
  const errno = errnoOf(error);
  if (errno === 0) throw error;
  return { kind, errno, message: error instanceof Error ? error.message : '' };
}

/** Opens what `handle` names, which is a regular file by now, and reads it whole if it is small. */
function openWhole(handle: number, stat: fs.BigIntStats): ReadResult {
  const fd = fs.openSync(pathOf(handle), openFlags.read);
  const entry = toEntryStat(stat);
  if (entry.sizeBytes > wholeBytesMax) return { kind: 'descriptor', stat: entry, fd };
  try {
    // Not of the pool that small buffers share: this memory goes to another thread.
    const content = new Uint8Array(entry.sizeBytes);
    const filled = readFully(fd, content, 0);
    return { kind: 'content', stat: entry, content: content.subarray(0, filled) };
  } finally {
    fs.closeSync(fd);
  }
}

/** As `descend` and `openRegularFile`: component by component, each by the handle of the one before, never through a symlink. */
function openBelow(area: number, { path, device }: ReadTask, opened: number[]): ReadResult {
  let directory = area;
  const name = path.at(-1) ?? '';
  for (const component of path.slice(0, -1)) {
    directory = fs.openSync(pathAt(directory, component), openFlags.directory);
    opened.push(directory);
  }
  // A mount point inside a folder cannot be left again by walking down, so one look at the end is enough.
  if (directory !== area && fs.fstatSync(directory, { bigint: true }).dev !== device) {
    return { kind: 'entry_not_found' };
  }
  const handle = fs.openSync(pathAt(directory, name), openFlags.anything);
  opened.push(handle);
  const stat = fs.fstatSync(handle, { bigint: true });
  if (!stat.isFile() || stat.dev !== device) return { kind: 'entry_not_regular' };
  return openWhole(handle, stat);
}

function openEntry(task: ReadTask): ReadResult {
  let area: number;
  try {
    area = fs.openSync(pathAt(task.folder, task.area), openFlags.directory);
  } catch (error) {
    return failed('area_failed', error);
  }
  const opened = [area];
  try {
    return openBelow(area, task, opened);
  } catch (error) {
    // A component that is missing, a symlink or no directory: nothing has that path.
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return { kind: 'entry_not_found' };
    return failed('entry_failed', error);
  } finally {
    // O_PATH handles close without waiting.
    closeAll(opened);
  }
}

/** Opens a regular file, and reads it if it is small, in one go. */
export function readEntry(task: ReadTask): Done<ReadResult> {
  const result = openEntry(task);
  const transfer: Transferable[] = result.kind === 'content' ? [result.content.buffer] : [];
  return { result, transfer };
}
