/** Bytes a folder may hold unless its policy says otherwise: 1 GiB. */
export const folderBytesMaxDefault = 1024 ** 3;
/** Regular files a folder may hold unless its policy says otherwise. */
export const folderFilesMaxDefault = 1000;
/** Folders a user may own unless the policy says otherwise. */
export const foldersMaxDefault = 100;
/** How much an upload of unknown length reserves ahead of what it received: 8 MiB. */
export const reservationStepBytes = 8 * 1024 ** 2;

/** A pair of counters: bytes of regular files and how many regular files. */
export interface Usage {
  readonly bytes: number;
  readonly files: number;
}
