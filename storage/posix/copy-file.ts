import fs from 'node:fs';
import type { CopyOptions, EntryStat, LendableFile, OpenFile, WalkedEntry } from '../volume.ts';
import { entryConflict, hasErrno, volumeUnavailable } from './errno.ts';
import { type Descriptor, ownFileDescriptor } from './handles/descriptor.ts';
import { openNumber, statChild, unlinkChild } from './handles/directory.ts';
import { pathOf } from './handles/entry-name.ts';
import { toEntryStat } from './handles/entry-stat.ts';
import type { Place } from './handles/place.ts';
import { openFlags, syscalls } from './handles/syscalls.ts';

/** A larger file is copied in pieces unless it can be cloned, so that a copy can be stopped and shows progress. */
const kernelBytesMax = 64 * 1024 ** 2;
/** Times are stored by whole microseconds and read as float seconds. */
const sameTimeSeconds = 1e-5;
const privateMode = 0o600;
const permissionBits = 0o777;

/** Tells whether an earlier run finished this copy: the time is set last, once the content is on disk. */
function isFinished(existing: EntryStat, source: EntryStat): boolean {
  return (
    existing.kind === 'file' &&
    existing.sizeBytes === source.sizeBytes &&
    Math.abs(existing.mtime - source.mtime) < sameTimeSeconds
  );
}

/**
 * Lets the kernel copy, which clones blocks or spares the way through this process where the file system can. Reopening
 * both through their handles resolves no name again. @returns whether it could
 */
async function kernelCopy(source: LendableFile, target: Descriptor, mode: number): Promise<boolean> {
  try {
    await source.lend((from) =>
      target.using((to) => syscalls.copyFile(pathOf(from), pathOf(to), mode), { kind: 'patient' }),
    );
    return true;
  } catch (error) {
    // Whatever else kept the kernel from it, copying the bytes meets it again or does not.
    if (hasErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
    return false;
  }
}

async function writeWhole(target: Descriptor, chunk: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < chunk.length) {
    const { bytesWritten } = await target.using((fd) =>
      syscalls.write(fd, chunk, done, chunk.length - done, position + done),
    );
    if (bytesWritten === 0) throw volumeUnavailable(new Error('write wrote nothing'));
    done += bytesWritten;
  }
}

async function copyBytes(
  source: OpenFile,
  target: Descriptor,
  size: number,
  options: CopyOptions,
): Promise<void> {
  let position = 0;
  for await (const chunk of source.stream({ start: 0, end: size - 1 })) {
    options.signal?.throwIfAborted();
    await writeWhole(target, chunk, position);
    position += chunk.length;
  }
}

async function fill(
  source: LendableFile,
  target: Descriptor,
  size: number,
  options: CopyOptions,
): Promise<void> {
  if (size === 0) return;
  const { COPYFILE_FICLONE, COPYFILE_FICLONE_FORCE } = fs.constants;
  const mode = size <= kernelBytesMax ? COPYFILE_FICLONE : COPYFILE_FICLONE_FORCE;
  if (!(await kernelCopy(source, target, mode))) await copyBytes(source, target, size, options);
  // The source may have grown since it was looked at; no more than that was admitted.
  const { size: copied } = await target.using((fd) => syscalls.fstat(fd, { bigint: true }));
  if (copied > BigInt(size)) await target.using((fd) => syscalls.ftruncate(fd, size));
}

async function finish(target: Descriptor, source: EntryStat): Promise<void> {
  await target.using(
    async (fd) => {
      await syscalls.fchmod(fd, (source.mode & permissionBits) | privateMode);
      await syscalls.fsync(fd);
      await syscalls.futimes(fd, source.atime, source.mtime);
    },
    { kind: 'patient' },
  );
}

/**
 * Copies one walked file to a place that only copies write to. What a stopped run left half done is removed, never
 * written on: that run may still have it open.
 * @throws entry_not_found when the source vanished or was replaced, entry_not_regular, entry_conflict when a directory is in the way
 */
export async function copyFile(entry: WalkedEntry, to: Place, options: CopyOptions): Promise<void> {
  const existing = await statChild(to.directory, to.name);
  if (existing !== null && isFinished(toEntryStat(existing), entry.stat)) return;
  if (existing?.isDirectory()) throw entryConflict('An earlier run copied a directory of that name.');
  const source = await entry.open();
  try {
    if (existing !== null) await unlinkChild(to.directory, to.name);
    const fd = await openNumber(to.directory, to.name, openFlags.create, privateMode);
    const target = ownFileDescriptor(fd, to.directory.bulkhead);
    try {
      await fill(source, target, entry.stat.sizeBytes, options);
      await finish(target, entry.stat);
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}
