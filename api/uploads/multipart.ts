import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Dicer } from '@fastify/busboy';
import { type DomainError, domainError, isDomainError } from '../../domain/errors.ts';
import { bodyFailureOf } from '../http/body-failure.ts';
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

/** One file of a multipart body. Its bytes must be read to their end before the next part is asked for. */
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

interface RawPart {
  readonly disposition: string;
  readonly stream: Readable;
}

interface PartQueue {
  push(part: RawPart): void;
  /** The first end counts. An error also ends the part being read, which would wait for bytes for ever. */
  end(error?: Error): void;
  next(): Promise<RawPart | null>;
}

/** Parts announce themselves by events; the reader wants them one by one. Bounded by what one chunk can hold. */
function openPartQueue(): PartQueue {
  const waiting: RawPart[] = [];
  const unread = new Set<Readable>();
  let outcome: { error?: Error } | undefined;
  let wake: (() => void) | undefined;
  const signal = () => {
    wake?.();
    wake = undefined;
  };
  return {
    push: (part) => {
      waiting.push(part);
      unread.add(part.stream);
      part.stream.once('close', () => unread.delete(part.stream));
      signal();
    },
    end: (error) => {
      if (outcome !== undefined) return;
      outcome = error === undefined ? {} : { error };
      if (error !== undefined) for (const stream of unread) stream.destroy(error);
      signal();
    },
    next: async () => {
      for (;;) {
        if (outcome?.error !== undefined) throw outcome.error;
        const part = waiting.shift();
        if (part !== undefined) return part;
        if (outcome !== undefined) return null;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

function dispositionOf(header: object): string {
  const values: unknown = Reflect.get(header, 'content-disposition');
  const first: unknown = Array.isArray(values) ? values[0] : undefined;
  return typeof first === 'string' ? first : '';
}

/** What a body came to so far. */
interface Tally {
  receivedBytes: number;
  contentBytes: number;
  files: number;
}

/** The parser reports a cut-off body on the part as an error of its own making. */
async function* readBytes(stream: Readable, tally: Tally): AsyncGenerator<Uint8Array> {
  const chunks: AsyncIterable<Uint8Array> = stream;
  try {
    for await (const chunk of chunks) {
      tally.contentBytes += chunk.byteLength;
      yield chunk;
    }
  } catch (error) {
    throw isDomainError(error) ? error : malformedBody(error);
  }
}

function malformedBody(cause: unknown): DomainError {
  return domainError('request_malformed', 'The multipart body is malformed or ends early.', { cause });
}

function abortedBody(cause: unknown): DomainError {
  return domainError('upload_aborted', 'The connection closed before the upload was complete.', { cause });
}

function isMostlyOverhead({ receivedBytes, contentBytes, files }: Tally): boolean {
  return receivedBytes - contentBytes > overheadBytesMax + files * overheadBytesPerFile;
}

function connect(incoming: IncomingMessage, boundary: string, queue: PartQueue, tally: Tally): Dicer {
  const parser = new Dicer({ boundary, maxHeaderPairs: 32 });
  const malformed = (cause: unknown) => queue.end(isDomainError(cause) ? cause : malformedBody(cause));
  let count = 0;
  // Every listener is attached before the first byte is parsed: an unheard error event would end the process.
  parser.on('part', (part) => {
    part.on('error', malformed);
    count += 1;
    if (count > partsMax) {
      queue.end(domainError('request_malformed', `A request may have at most ${partsMax} parts.`));
    }
    part.on('header', (header) => queue.push({ disposition: dispositionOf(header), stream: part }));
  });
  parser.on('error', malformed);
  parser.on('finish', () => queue.end());
  incoming.on('error', (cause) => queue.end(isDomainError(cause) ? cause : abortedBody(cause)));
  incoming.on('close', () => {
    if (!incoming.complete) queue.end(abortedBody(undefined));
  });
  incoming.on('data', (chunk: Buffer) => {
    tally.receivedBytes += chunk.byteLength;
    if (isMostlyOverhead(tally))
      queue.end(domainError('body_too_large', 'The form holds too much besides files.'));
  });
  incoming.pause();
  const failure = bodyFailureOf(incoming);
  if (failure === undefined) incoming.pipe(parser);
  else queue.end(failure);
  return parser;
}

/**
 * Reads the files of a multipart body as they arrive; memory is O(one socket read). Parts that are not files are
 * skipped. @throws request_malformed, path_invalid, upload_aborted
 */
export async function* readFileParts(incoming: IncomingMessage, boundary: string): AsyncGenerator<FilePart> {
  const encoding = nameEncodingOf(incoming.headers['user-agent'], boundary);
  const queue = openPartQueue();
  const tally: Tally = { receivedBytes: 0, contentBytes: 0, files: 0 };
  const parser = connect(incoming, boundary, queue, tally);
  try {
    for (;;) {
      const part = await queue.next();
      if (part === null) return;
      const fileName = partFileName(part.disposition, encoding);
      if (fileName === undefined) {
        part.stream.resume();
        continue;
      }
      tally.files += 1;
      yield { fileName, bytes: readBytes(part.stream, tally) };
    }
  } finally {
    incoming.unpipe(parser);
    parser.destroy();
  }
}
