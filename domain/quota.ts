/** Bytes a folder may hold unless its policy says otherwise: 1 GiB. */
export const folderBytesMaxDefault = 1024 ** 3;
/** Regular files a folder may hold unless its policy says otherwise. */
export const folderFilesMaxDefault = 1000;
/** Folders a user may own unless the policy says otherwise. */
export const foldersMaxDefault = 100;
/** Highest limits that can be set: folders of a user, bytes and files of a folder. */
export const limitsMax = {
  folders: 1_000_000_000,
  bytes: 999_999_999_999_999,
  files: 100_000_000_000,
} as const;
/** Directories a folder may hold at least, however few files it may. */
export const folderDirectoriesLeast = 10_000;
/** How much an upload of unknown length reserves ahead of what it received: 8 MiB. */
export const reservationStepBytes = 8 * 1024 ** 2;

/** A pair of counters: bytes of regular files and how many regular files. */
export interface Usage {
  readonly bytes: number;
  readonly files: number;
}

/** What a tree comes to: its usage, and the directories below its root. */
export interface TreeCount extends Usage {
  readonly directories: number;
}

/** The count of no tree. */
export const emptyTree: TreeCount = { bytes: 0, files: 0, directories: 0 };

/** What two trees come to together. */
export function addTrees(a: TreeCount, b: TreeCount): TreeCount {
  return {
    bytes: a.bytes + b.bytes,
    files: a.files + b.files,
    directories: a.directories + b.directories,
  };
}

/** Whether no counter of `tree` is above that of `limit`. */
export function isTreeWithin(tree: TreeCount, limit: TreeCount): boolean {
  return tree.bytes <= limit.bytes && tree.files <= limit.files && tree.directories <= limit.directories;
}

/** Directories a folder may hold, those in its trash included: as many as files, and {@link folderDirectoriesLeast} at least. */
export function directoriesMaxOf({ quotaFiles }: { readonly quotaFiles: number }): number {
  return Math.max(quotaFiles, folderDirectoriesLeast);
}
