import fs from 'node:fs';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { type DomainError, domainError } from '../../../domain/errors.ts';
import type { EntryStat, LendableFile } from '../../volume.ts';
import type { Bulkhead } from '../bulkhead.ts';
import { entryNotFound, hasErrno, toStorageError } from '../errno.ts';
import { type Descriptor, ownDescriptor, ownFileDescriptor } from './descriptor.ts';
import { closeLate, type Directory, openNumber } from './directory.ts';
import { type EntryName, pathOf } from './entry-name.ts';
import { toEntryStat } from './entry-stat.ts';
import { openFlags, syscalls } from './syscalls.ts';

const readBytes = 256 * 1024;
/** To look whether a file goes on where it ended when it was opened. */
const probeBytes = 4 * 1024;
const read = promisify(fs.read);

/** The refusal when something other than a regular file would have to be opened. */
export function notRegular(): DomainError {
  return domainError('entry_not_regular', 'The entry is not a regular file.');
}

async function lookAt(directory: Directory, name: EntryName): Promise<Descriptor> {
  try {
    const fd = await openNumber(directory, name, openFlags.anything);
    return ownDescriptor(fd, (number) => fs.closeSync(number), directory.bulkhead);
  } catch (error) {
    throw hasErrno(error, 'ENOENT') ? entryNotFound(error) : toStorageError(error);
  }
}

/**
 * Reads are positioned, so several streams may share the file; the end is where the file ends when it is reached. Buffers
 * are no larger than what is left of `sizeBytes`: for small files the allocation would cost more than the read.
 */
function streamOf(
  file: Descriptor,
  range: { readonly start: number; readonly end: number; readonly sizeBytes: number },
): Readable {
  const { end, sizeBytes } = range;
  let position = range.start;
  const likelyBytes = () => {
    if (position < sizeBytes) return sizeBytes - position;
    return position === sizeBytes ? probeBytes : readBytes;
  };
  return new Readable({
    highWaterMark: readBytes,
    read() {
      const length = Math.min(readBytes, end + 1 - position, likelyBytes());
      if (length <= 0) {
        this.push(null);
        return;
      }
      const buffer = Buffer.allocUnsafeSlow(length);
      file
        .using((fd) => read(fd, buffer, 0, length, position))
        .then(
          ({ bytesRead }) => {
            position += bytesRead;
            this.push(bytesRead === 0 ? null : buffer.subarray(0, bytesRead));
          },
          (error: unknown) => {
            const failure = toStorageError(error);
            this.destroy(failure instanceof Error ? failure : new Error('Reading failed.'));
          },
        );
    },
  });
}

async function readFully(file: Descriptor, target: Uint8Array, positionBytes: number): Promise<number> {
  let filled = 0;
  while (filled < target.byteLength) {
    const from = filled;
    const length = target.byteLength - from;
    const { bytesRead } = await file.using((fd) => read(fd, target, from, length, positionBytes + from));
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** Takes ownership of the number of a regular file that was opened for reading. */
export function ownFile(fd: number, stat: EntryStat, bulkhead: Bulkhead): LendableFile {
  const file = ownFileDescriptor(fd, bulkhead);
  return {
    stat,
    lend: (use) => file.usingWithin(use),
    stream: ({ start = 0, end = Number.MAX_SAFE_INTEGER } = {}) =>
      streamOf(file, { start, end, sizeBytes: stat.sizeBytes }),
    read: (target, positionBytes) =>
      readFully(file, target, positionBytes).catch((error: unknown) => {
        throw toStorageError(error);
      }),
    close: () => file.close(),
  };
}

/**
 * Opens a regular file by name in two steps: a handle that names the inode, then, if it is a regular file on the
 * volume, that same inode for reading. A fifo, socket, device or symlink is never opened.
 * @param inode when given, anything but this inode counts as gone
 * @throws entry_not_found, entry_not_regular
 */
export async function openRegularFile(
  directory: Directory,
  name: EntryName,
  inode?: bigint,
): Promise<LendableFile> {
  const handle = await lookAt(directory, name);
  try {
    const stat = await handle.using((fd) => syscalls.fstat(fd, { bigint: true }));
    if (inode !== undefined && stat.ino !== inode) throw entryNotFound();
    if (!stat.isFile() || stat.dev !== directory.device) throw notRegular();
    const fd = await handle.using((path) => syscalls.open(pathOf(path), openFlags.read), {
      onLate: closeLate,
    });
    return ownFile(fd, toEntryStat(stat), directory.bulkhead);
  } catch (error) {
    throw toStorageError(error);
  } finally {
    await handle.close();
  }
}
