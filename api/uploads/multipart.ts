import type { IncomingMessage } from 'node:http';
import { domainError } from '../../domain/errors.ts';
import { readChunks } from '../http/body-chunks.ts';
import { readParts } from './form-parts.ts';
import { nameEncodingOf, partFileName } from './part-name.ts';

/** Most parts of one request; more is a mistake or an attack. */
export const partsMax = 10_000;

/** Most bytes of a body besides files: fields, preamble, epilogue and what lies in buffers. */
const overheadBytesMax = 1024 ** 2;
/** And, for each of its files, the boundary and the head of the part; the longest path has 4 KiB, or 12 when escaped. */
const overheadBytesPerFile = 8 * 1024;

/**
 * The content that a body of `sizeBytes` with up to `filesMax` files has at least: with less the body itself is
 * refused, because the rest of it would be more than the parts of a form take.
 */
export function leastContentBytes(sizeBytes: number, filesMax: number): number {
  return Math.max(0, sizeBytes - overheadBytesMax - Math.min(filesMax, partsMax) * overheadBytesPerFile);
}

/**
 * One file of a multipart body. Its bytes must be read to their end before the next part is asked for; who reads a piece may free its
 * memory where it has that to itself.
 */
export interface FilePart {
  readonly fileName: string;
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** The boundary of a multipart/form-data content type. @throws media_type_unsupported, request_malformed */
export function multipartBoundary(contentType: string | undefined): string {
  if (contentType === undefined || !/^multipart\/form-data\s*(;|$)/i.test(contentType)) {
    throw domainError('media_type_unsupported', 'An upload is a multipart/form-data request.');
  }
  const match = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined) {
    throw domainError('request_malformed', 'The multipart content type has no usable boundary.');
  }
  return boundary;
}

/** What a body came to so far. */
interface Tally {
  receivedBytes: number;
  contentBytes: number;
  files: number;
}

/** Counts what arrives. By then all that came before has been handed out, or was not content. @throws body_too_large */
async function* countReceived(chunks: AsyncIterable<Buffer>, tally: Tally): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    const overheadBytes = tally.receivedBytes - tally.contentBytes;
    if (overheadBytes > overheadBytesMax + tally.files * overheadBytesPerFile)
      throw domainError('body_too_large', 'The form holds too much besides files.');
    tally.receivedBytes += chunk.byteLength;
    yield chunk;
  }
}

async function* countContent(pieces: AsyncIterable<Buffer>, tally: Tally): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    tally.contentBytes += piece.byteLength;
    yield piece;
  }
}

/** A browser sends a file field where no file was chosen as a part without a name and without content. @throws path_invalid */
async function requireNothing(content: AsyncIterable<Buffer>): Promise<void> {
  for await (const _piece of content)
    throw domainError('path_invalid', 'A file part has an empty file name.');
}

/**
 * Reads the files of a multipart body as they arrive; memory is O(what is read ahead). Parts that are not files,
 * and fields of a form where no file was chosen, are skipped. @throws request_malformed, path_invalid, body_too_large, upload_aborted
 */
export async function* readFileParts(incoming: IncomingMessage, boundary: string): AsyncGenerator<FilePart> {
  const encoding = nameEncodingOf(incoming.headers['user-agent'], boundary);
  const tally: Tally = { receivedBytes: 0, contentBytes: 0, files: 0 };
  let count = 0;
  for await (const part of readParts(countReceived(readChunks(incoming), tally), boundary)) {
    count += 1;
    if (count > partsMax) {
      throw domainError('request_malformed', `A request may have at most ${partsMax} parts.`);
    }
    const fileName = partFileName(part.disposition, encoding);
    if (fileName === undefined) continue;
    if (fileName === '') {
      await requireNothing(part.content);
      continue;
    }
    tally.files += 1;
    yield { fileName, bytes: countContent(part.content, tally) };
  }
}
