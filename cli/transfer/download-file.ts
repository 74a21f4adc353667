import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { VFolderClient } from '../../client/client.ts';
import type { Place } from '../../client/files.ts';
import { formatPlace } from '../address.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { writingTo } from '../local-failure.ts';
import { readContent } from './read-content.ts';

/** One file to fetch. */
export interface FileDownload {
  readonly place: Place;
  readonly target: string;
  /** Which content an earlier try received the beginning of. */
  readonly etag: string | undefined;
  /** The time it gets, in milliseconds; `undefined` leaves it to the system. */
  readonly mtimeMs: number | undefined;
  readonly signal: AbortSignal;
  /** Hears of received bytes; negative when some are thrown away. */
  readonly onReceived: (bytes: number) => void;
  /** Hears how many bytes an earlier try received. */
  readonly onResumed: (bytes: number) => void;
  /** Hears which content it is before the first byte is written. */
  readonly onBegun: (etag: string) => Promise<void>;
}

/** Where the beginning of a file lies until it is whole: beside it, and out of the way of long names. */
function partPath({ place, target }: FileDownload): string {
  const name = createHash('sha256')
    .update(`${formatPlace(place)}\0${target}`)
    .digest('hex')
    .slice(0, 16);
  return join(dirname(target), `.vfolder-${name}.part`);
}

async function writeAll(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done, at + done);
    done += bytesWritten;
  }
}

async function receive(client: VFolderClient, download: FileDownload, file: FileHandle): Promise<void> {
  const { place, signal, etag, onReceived, onResumed, onBegun } = download;
  const start = etag === undefined ? 0 : (await file.stat()).size;
  let received = start;
  if (start > 0) onResumed(start);
  const pieces = readContent(client, place, {
    start,
    etag,
    signal,
    onOpen: async (content) => {
      onReceived(content.offset - received);
      received = content.offset;
      await file.truncate(content.offset);
      if (content.etag !== undefined && content.etag !== etag) await onBegun(content.etag);
    },
  });
  for await (const { offset, bytes } of pieces) {
    await writeAll(file, bytes, offset);
    received = offset + bytes.byteLength;
    onReceived(bytes.byteLength);
  }
}

/**
 * Fetches a file: it appears whole or not at all, and what was received of it is kept for the next try.
 * @throws CliError that names it, where it cannot be written
 */
export async function downloadFile(client: VFolderClient, download: FileDownload): Promise<void> {
  const { target, mtimeMs } = download;
  const existing = await stat(target).catch(() => undefined);
  if (existing?.isDirectory() === true) {
    throw new CliError(exitCodes.conflict, `${target} is a directory.`);
  }
  const part = partPath(download);
  await writingTo(target, async () => {
    // Neither read nor write at the end: the place of each piece is known.
    const file = await open(part, 'r+').catch(() => open(part, 'wx+'));
    try {
      await receive(client, download, file);
      if (mtimeMs !== undefined) await file.utimes(new Date(), new Date(mtimeMs));
    } finally {
      await file.close();
    }
    await rename(part, target);
  });
}

/** Prints a file; what was printed cannot be taken back, so a content that changes in between is an error. */
export async function copyToStream(
  client: VFolderClient,
  place: Place,
  { signal, write }: { readonly signal: AbortSignal; readonly write: (bytes: Uint8Array) => Promise<void> },
): Promise<void> {
  let printed = 0;
  for await (const { offset, bytes } of readContent(client, place, { signal })) {
    if (offset !== printed) {
      throw new CliError(exitCodes.conflict, `${formatPlace(place)} changed while it was read.`);
    }
    await write(bytes);
    printed += bytes.byteLength;
  }
}
