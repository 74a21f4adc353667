import { domainError, isDomainError } from '../../domain/errors.ts';
import { hasErrno, toStorageError, volumeUnavailable } from './errno.ts';
import type { FolderCache } from './folder-cache.ts';
import { descend, descendMaking } from './handles/descend.ts';
import { type Directory, makeChild, openChild, syncDirectory, withDirectory } from './handles/directory.ts';
import { modes } from './handles/syscalls.ts';
import { type FolderArea, folderComponents, foldersName } from './layout.ts';
import type { Hands } from './volume-threads/hands.ts';
import type { ReadingThreads } from './volume-threads/reading-threads.ts';
import type { Crew } from './walks/crew.ts';

/**
 * The root of a volume, with the folders it has open, the processes that walk its trees, the threads that read its files and those
 * that take small steps.
 */
export interface VolumeRoot extends Directory {
  readonly folders: FolderCache;
  readonly crew: Crew;
  readonly reads: ReadingThreads;
  readonly hands: Hands;
}

/**
 * What a failed system call on an area, or above it, means. There everything is ours: whatever else than a missing directory
 * stands there, the volume is broken.
 */
export function areaError(error: unknown): unknown {
  if (hasErrno(error, 'ENOENT') || isDomainError(error, 'entry_not_found')) {
    return domainError('entry_not_found', 'The folder is not on this volume.', { cause: error });
  }
  if (hasErrno(error, 'ENOTDIR', 'ELOOP', 'EACCES', 'EPERM')) return volumeUnavailable(error);
  return toStorageError(error);
}

/** Opens the directory of a folder. @throws entry_not_found, volume_unavailable */
export async function openFolder(root: Directory, folderId: string): Promise<Directory> {
  const components = [foldersName, ...folderComponents(folderId)];
  try {
    return await descend(root, components, 'volume_unavailable');
  } catch (error) {
    throw areaError(error);
  }
}

async function openAreaOf(folder: Directory, area: FolderArea): Promise<Directory> {
  try {
    return await openChild(folder, area);
  } catch (error) {
    throw areaError(error);
  }
}

/** By the cached handle of the folder; `null` when there is none or it is no longer good. */
async function openCachedArea(
  root: VolumeRoot,
  folderId: string,
  area: FolderArea,
): Promise<Directory | null> {
  const folder = root.folders.find(folderId);
  if (folder === null) return null;
  try {
    return await openChild(folder, area);
  } catch (error) {
    root.folders.drop(folderId);
    if (hasErrno(error, 'ENOENT', 'ESTALE')) return null;
    throw areaError(error);
  } finally {
    await folder.close();
  }
}

/** Opens one area of a folder. @throws entry_not_found, volume_unavailable */
export async function openArea(root: VolumeRoot, folderId: string, area: FolderArea): Promise<Directory> {
  const cached = await openCachedArea(root, folderId, area);
  if (cached !== null) return cached;
  return withDirectory(openFolder(root, folderId), async (folder) => {
    const opened = await openAreaOf(folder, area);
    root.folders.keep(folderId, folder);
    return opened;
  });
}

/** Opens two areas of one folder for `work`, to rename from one to the other. @throws as {@link openArea} */
export function withAreas<T>(
  root: VolumeRoot,
  folderId: string,
  names: { readonly from: FolderArea; readonly to: FolderArea },
  work: (areas: { readonly from: Directory; readonly to: Directory }) => Promise<T>,
): Promise<T> {
  return withDirectory(openArea(root, folderId, names.from), (from) =>
    withDirectory(openArea(root, folderId, names.to), (to) => work({ from, to })),
  );
}

/** Makes a folder's directories, durably; a no-op for those that exist. `data` comes last: with it, all are there. */
export async function makeFolder(root: VolumeRoot, folderId: string): Promise<void> {
  root.folders.drop(folderId);
  const components = [foldersName, ...folderComponents(folderId)];
  await withDirectory(descendMaking(root, components, { mode: modes.upper }), async (folder) => {
    await makeChild(folder, 'stage', modes.closed);
    await makeChild(folder, 'trash', modes.closed);
    await makeChild(folder, 'data', modes.directory);
    await syncDirectory(folder);
  });
}

/** Opens the directory that holds a folder's. @throws entry_not_found, volume_unavailable */
export async function openFolderParent(root: Directory, folderId: string): Promise<Directory> {
  const [first, second] = folderComponents(folderId);
  try {
    return await descend(root, [foldersName, first, second], 'volume_unavailable');
  } catch (error) {
    throw areaError(error);
  }
}
