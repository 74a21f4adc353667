import assert from 'node:assert/strict';

/** The directories of a folder. Only `data` is ever mounted into a session; staging and trash share its quota realm. */
export type FolderArea = 'data' | 'stage' | 'trash';

/** Where the folders of a volume lie: `f/<aa>/<bb>/<folder id>`. */
export const foldersName = 'f';
/** Where its archives lie: `a/<aa>/<archive id>`. */
export const archivesName = 'a';
/** Where folders lie that belong to nobody, with a note each: `lost/<folder id>`. */
export const lostName = 'lost';

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

/** The names from the root of a volume to an area of a folder. */
export function areaComponents(folderId: string, area: FolderArea): readonly string[] {
  return [foldersName, ...folderComponents(folderId), area];
}

/** The level above an archive. */
export function archiveComponents(archiveId: string): readonly [string, string] {
  const name = idName(archiveId);
  return [name.slice(-2), name];
}
