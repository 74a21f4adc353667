import { createHash } from 'node:crypto';

/** The life of an upload session; see the table `uploads`. */
export const uploadStates = ['receiving', 'staged', 'committed', 'aborting', 'aborted'] as const;

/** One of {@link uploadStates}. */
export type UploadState = (typeof uploadStates)[number];

/** What a resumable upload is for: a file by itself, a part of one, or the joining of parts. */
export const uploadShapes = ['whole', 'partial', 'final'] as const;

/** One of {@link uploadShapes}. */
export type UploadShape = (typeof uploadShapes)[number];

/**
 * A run of bytes of a resumable upload: the first `bytes` of a staged file, which bears the name of the session that it
 * was received for. They never change again; what lies behind them belongs to nobody.
 */
export interface UploadSegment {
  readonly uploadId: string;
  readonly ordinal: number;
  readonly bytes: number;
}

/**
 * The id under which file number `ordinal` of a session is staged. Derived, so that whoever cleans up after a crash
 * knows every name the dead process can have used, without a row per file.
 */
export function stageIdOf(uploadId: string, ordinal: number): string {
  const hex = createHash('sha256').update(`${uploadId}/${ordinal}`).digest('hex');
  // Version 8 of RFC 9562: custom content.
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
