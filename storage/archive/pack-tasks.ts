/** Files that are packed together with their local headers; larger ones go part by part. */
export const smallFileBytesMax = 512 * 1024;

/** Bytes of one part of a large file. */
export const partBytes = 1024 * 1024;

/** What of {@link FilesTask.numbers} belongs to one entry. */
export const entryNumbers = {
  nameBytes: 0,
  componentBytes: 1,
  directory: 2,
  mode: 3,
  time: 4,
  count: 5,
} as const;

/** What of {@link FilesPacked.numbers} belongs to one entry; `offset` is -1 for one that was left out. */
export const packedNumbers = {
  offset: 0,
  method: 1,
  crc32: 2,
  packedBytes: 3,
  sizeBytes: 4,
  outcome: 5,
  count: 6,
} as const;

/** How reading one entry went, by number. Only the first and the last are in the archive. */
export const packOutcomes = ['whole', 'vanished', 'changed', 'unreadable', 'shortened'] as const;

/**
 * Directories and small files to pack in a row. Packed flat, because a message of many small pieces costs more to
 * clone than the files to read. A directory has -1 for its handle.
 */
export interface FilesTask {
  readonly kind: 'files';
  /** `st_dev` of the volume. */
  readonly device: bigint;
  /** Per entry its name in the archive, then its name in its directory. */
  readonly text: Uint8Array<ArrayBuffer>;
  /** See {@link entryNumbers}. */
  readonly numbers: Float64Array<ArrayBuffer>;
  readonly inodes: BigUint64Array<ArrayBuffer>;
  /**
   * When given, files are stored as they are, and one whose CRC-32 is another than this counts as changed. Sizes must be
   * those of the walk then.
   */
  readonly crcs: Float64Array<ArrayBuffer> | null;
}

/** Headers and content, ready to be written; see {@link packedNumbers}. */
export interface FilesPacked {
  readonly kind: 'files';
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly numbers: Float64Array<ArrayBuffer>;
  /** Milliseconds to open and read a file, the middle of all in the task; 0 when they are too few to tell. */
  readonly readMs: number;
}

/** A part of an open file; what is missing at its end is filled with zeros. */
export interface PartTask {
  readonly kind: 'part';
  readonly fd: number;
  readonly position: number;
  readonly length: number;
}

/**
 * A part, deflated up to a byte boundary without ending the stream; or as it is, when deflate does not gain. `crc32`
 * and `sizeBytes` are of the raw bytes.
 */
export interface PartPacked {
  readonly kind: 'part';
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly isDeflated: boolean;
  readonly crc32: number;
  readonly sizeBytes: number;
  /** Bytes that the file no longer had. */
  readonly missingBytes: number;
}

/** What a packing thread is asked. */
export type PackTask = FilesTask | PartTask;

/** What it answers: {@link FilesPacked} to files, else {@link PartPacked}. */
export type Packed = FilesPacked | PartPacked;
