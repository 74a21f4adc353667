import assert from 'node:assert/strict';
import { domainError, isDomainError } from '../../domain/errors.ts';
import { descend, descendMaking } from './descend.ts';
import { type Directory, makeChild, openChild, syncDirectory, withDirectory } from './directory.ts';
import { hasErrno, toStorageError, volumeUnavailable } from './errno.ts';
import { modes } from './syscalls.ts';

/** The directories of a folder. Only `data` is ever mounted into a session; staging and trash share its quota realm. */
export type FolderArea = 'data' | 'stage' | 'trash';

/** Where the folders of a volume lie: `f/<aa>/<bb>/<folder id>`. */
export const foldersName = 'f';
/** Where its archives lie: `a/<aa>/<archive id>`. */
export const archivesName = 'a';

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Tells whether a name on disk is an id of ours. */
export function isId(name: string): boolean {
  return uuid.test(name);
}

/** An id as a name on disk. Names above `data` come from our ids only. */
export function idName(id: string): string {
  assert(isId(id), 'An id is a dashed lower-case uuid.');
  return id;
}

/** The two levels above a folder: the last digits, because a version 7 uuid begins with the time. */
export function folderComponents(folderId: string): readonly [string, string, string] {
  const name = idName(folderId);
  return [name.slice(-4, -2), name.slice(-2), name];
}

/** The level above an archive. */
export function archiveComponents(archiveId: string): readonly [string, string] {
  const name = idName(archiveId);
  return [name.slice(-2), name];
}

/** Above `data` everything is ours: whatever else than a missing directory stands there, the volume is broken. */
function upperError(error: unknown): unknown {
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
    throw upperError(error);
  }
}

async function openAreaOf(folder: Directory, area: FolderArea): Promise<Directory> {
  try {
    return await openChild(folder, area);
  } catch (error) {
    throw upperError(error);
  }
}

/** Opens one area of a folder. @throws entry_not_found, volume_unavailable */
export function openArea(root: Directory, folderId: string, area: FolderArea): Promise<Directory> {
  return withDirectory(openFolder(root, folderId), (folder) => openAreaOf(folder, area));
}

/** Opens two areas of one folder for `work`, to rename from one to the other. @throws as {@link openArea} */
export function withAreas<T>(
  root: Directory,
  folderId: string,
  names: { readonly from: FolderArea; readonly to: FolderArea },
  work: (areas: { readonly from: Directory; readonly to: Directory }) => Promise<T>,
): Promise<T> {
  return withDirectory(openFolder(root, folderId), (folder) =>
    withDirectory(openAreaOf(folder, names.from), (from) =>
      withDirectory(openAreaOf(folder, names.to), (to) => work({ from, to })),
    ),
  );
}

/** Makes a folder's directories, durably; a no-op for those that exist. `data` comes last: with it, all are there. */
export async function makeFolder(root: Directory, folderId: string): Promise<void> {
  const components = [foldersName, ...folderComponents(folderId)];
  await withDirectory(descendMaking(root, components, modes.upper), async (folder) => {
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
    throw upperError(error);
  }
}
