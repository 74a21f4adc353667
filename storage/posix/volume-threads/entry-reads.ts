import { Readable } from 'node:stream';
import type { EntryPath } from '../../../domain/entry-path.ts';
import type { EntryStat, OpenFile } from '../../volume.ts';
import { entryNotFound, hasErrno, toStorageError } from '../errno.ts';
import { areaError, openFolder, type VolumeRoot } from '../folder-areas.ts';
import { notRegular, ownFile } from '../handles/open-file.ts';
import type { ReadResult } from './read-entry.ts';
import { failureOf } from './reading-threads.ts';

/** A file whose content is in memory already, as it was when it was opened. */
function fileInMemory(stat: EntryStat, content: Uint8Array): OpenFile {
  return {
    stat,
    content,
    stream: ({ start = 0, end = content.byteLength } = {}) => {
      const bytes = content.subarray(start, end + 1);
      return Readable.from(bytes.byteLength === 0 ? [] : [Buffer.from(bytes)], { objectMode: false });
    },
    async read(target, positionBytes) {
      const bytes = content.subarray(positionBytes, positionBytes + target.byteLength);
      target.set(bytes);
      return bytes.byteLength;
    },
    close: async () => undefined,
  };
}

/** By the cached handle of the folder; `null` when there is none or it is no longer good. */
async function readCached(root: VolumeRoot, folderId: string, path: EntryPath): Promise<ReadResult | null> {
  const folder = root.folders.find(folderId);
  if (folder === null) return null;
  try {
    const result = await root.reads.open(folder, { area: 'data', path });
    if (result.kind !== 'area_failed') return result;
    root.folders.drop(folderId);
    return hasErrno(failureOf(result), 'ENOENT', 'ESTALE') ? null : result;
  } finally {
    await folder.close();
  }
}

async function readWalked(root: VolumeRoot, folderId: string, path: EntryPath): Promise<ReadResult> {
  const folder = await openFolder(root, folderId);
  try {
    const result = await root.reads.open(folder, { area: 'data', path });
    if (result.kind !== 'area_failed') root.folders.keep(folderId, folder);
    return result;
  } finally {
    await folder.close();
  }
}

/**
 * `Volume.open`: one message to a thread of the volume in place of a system call of libuv's pool for every component and
 * more for the file. Walks as `descend` and `openRegularFile` do.
 */
export async function openEntry(root: VolumeRoot, folderId: string, path: EntryPath): Promise<OpenFile> {
  if (path.length === 0) throw notRegular();
  const result = (await readCached(root, folderId, path)) ?? (await readWalked(root, folderId, path));
  switch (result.kind) {
    case 'content':
      return fileInMemory(result.stat, result.content);
    case 'descriptor':
      return ownFile(result.fd, result.stat, root.bulkhead);
    case 'entry_not_found':
      throw entryNotFound();
    case 'entry_not_regular':
      throw notRegular();
    case 'area_failed':
      throw areaError(failureOf(result));
    case 'entry_failed':
      throw toStorageError(failureOf(result));
  }
}
