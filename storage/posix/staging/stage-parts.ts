import assert from 'node:assert/strict';
import fs from 'node:fs';
import { promisify } from 'node:util';
import type { OpenFile, StageAppender, StagePlace } from '../../volume.ts';
import { toStorageError, volumeUnavailable } from '../errno.ts';
import { openArea, type VolumeRoot } from '../folder-areas.ts';
import { type Descriptor, ownFileDescriptor } from '../handles/descriptor.ts';
import { type Directory, openNumber, syncDirectory, withDirectory } from '../handles/directory.ts';
import { versionOf } from '../handles/entry-stat.ts';
import { openRegularFile } from '../handles/open-file.ts';
import { modes, openFlags, syscalls } from '../handles/syscalls.ts';
import { idName } from '../layout.ts';
import { gatherWrites, writeAll } from './gathered-writes.ts';

const read = promisify(fs.read);
/** Bytes moved by one read and write while staged files are joined. */
const copyBytes = 1024 * 1024;

async function openToWrite(stage: Directory, stageId: string, flags: number): Promise<Descriptor> {
  const fd = await openNumber(stage, idName(stageId), flags, modes.file);
  return ownFileDescriptor(fd, stage.bulkhead);
}

/** Cuts a staged file to `sizeBytes`. One that is shorter has lost bytes that were promised. */
async function cutTo(file: Descriptor, sizeBytes: number): Promise<void> {
  await file.using(async (fd) => {
    const { size } = await syscalls.fstat(fd, { bigint: true });
    if (size < BigInt(sizeBytes)) {
      throw volumeUnavailable(new Error(`a staged file has ${size} of ${sizeBytes} bytes`));
    }
    if (size > BigInt(sizeBytes)) await syscalls.ftruncate(fd, sizeBytes);
  });
}

function appenderOf(file: Descriptor, from: number): StageAppender {
  const writes = gatherWrites(file, from);
  let sizeBytes = from;
  let isOpen = true;
  let failure: { readonly cause: unknown } | undefined;
  const fail = (error: unknown): never => {
    isOpen = false;
    failure ??= { cause: toStorageError(error) };
    throw failure.cause;
  };
  // A sync that runs beside the writes may fail between two of them; these are then refused for the same reason.
  const requireWhole = (): void => {
    if (failure !== undefined) throw failure.cause;
  };
  return {
    get sizeBytes() {
      return sizeBytes;
    },
    async write(chunk, onWritten) {
      requireWhole();
      assert(isOpen, 'Nothing is written to an appender that was closed.');
      sizeBytes += chunk.byteLength;
      await writes.add(chunk, onWritten).catch(fail);
    },
    async sync() {
      requireWhole();
      assert(isOpen, 'An appender is synced only while it is open.');
      const stat = await writes
        .flush()
        .then(() =>
          file.using(
            async (fd) => {
              await syscalls.fsync(fd);
              return syscalls.fstat(fd, { bigint: true });
            },
            { kind: 'patient' },
          ),
        )
        .catch(fail);
      return { inode: String(stat.ino), version: versionOf(stat) };
    },
    async close() {
      isOpen = false;
      await file.close();
    },
  };
}

/** `Volume.appendStage`. */
export function appendStage(root: VolumeRoot, folderId: string, place: StagePlace): Promise<StageAppender> {
  const isFirst = place.positionBytes === 0;
  return withDirectory(openArea(root, folderId, 'stage'), async (stage) => {
    const flags = isFirst ? openFlags.writeOrCreate : openFlags.write;
    const file = await openToWrite(stage, place.stageId, flags);
    try {
      await cutTo(file, place.positionBytes);
      // What is acknowledged later must not hang on a name that a power cut takes away.
      if (isFirst) await syncDirectory(stage);
      return appenderOf(file, place.positionBytes);
    } catch (error) {
      await file.close();
      throw error;
    }
  });
}

/** `Volume.openStage`. */
export function openStage(root: VolumeRoot, folderId: string, stageId: string): Promise<OpenFile> {
  return withDirectory(openArea(root, folderId, 'stage'), (stage) => openRegularFile(stage, idName(stageId)));
}

/** `Volume.cutStage`. */
export function cutStage(root: VolumeRoot, folderId: string, place: StagePlace): Promise<void> {
  return withDirectory(openArea(root, folderId, 'stage'), async (stage) => {
    const file = await openToWrite(stage, place.stageId, openFlags.write);
    try {
      await cutTo(file, place.positionBytes);
    } finally {
      await file.close();
    }
  });
}

async function copyRange(
  source: Descriptor,
  target: Descriptor,
  range: { readonly from: number; readonly to: number; readonly sizeBytes: number },
): Promise<void> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(copyBytes, range.sizeBytes));
  for (let done = 0; done < range.sizeBytes; ) {
    const wanted = Math.min(buffer.length, range.sizeBytes - done);
    const at = range.from + done;
    const { bytesRead } = await source.using((fd) => read(fd, buffer, 0, wanted, at));
    if (bytesRead === 0) throw volumeUnavailable(new Error('a staged file is shorter than recorded'));
    await writeAll(target, [buffer.subarray(0, bytesRead)], range.to + done);
    done += bytesRead;
  }
}

/** `Volume.copyStage`. */
export function copyStage(
  root: VolumeRoot,
  folderId: string,
  copy: { readonly from: StagePlace; readonly to: StagePlace; readonly sizeBytes: number },
): Promise<void> {
  const { from, to, sizeBytes } = copy;
  return withDirectory(openArea(root, folderId, 'stage'), async (stage) => {
    const source = await openToWrite(stage, from.stageId, openFlags.read);
    try {
      const target = await openToWrite(stage, to.stageId, openFlags.writeOrCreate);
      try {
        await copyRange(source, target, { from: from.positionBytes, to: to.positionBytes, sizeBytes });
        await target.using((fd) => syscalls.fsync(fd), { kind: 'patient' });
      } finally {
        await target.close();
      }
    } finally {
      await source.close();
    }
    await syncDirectory(stage);
  });
}
