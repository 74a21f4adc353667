import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Dicer } from '@fastify/busboy';
import { domainError } from '../../domain/errors.ts';
import { nameEncodingOf, partFileName } from './part-name.ts';

/** Most parts of one request; more is a mistake or an attack. */
export const partsMax = 10_000;

/** One file of a multipart body. The stream must be read to its end before the next part is asked for. */
export interface FilePart {
  readonly fileName: string;
  readonly stream: Readable;
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

interface PartQueue {
  push(part: { disposition: string; stream: Readable }): void;
  end(error?: Error): void;
  next(): Promise<{ disposition: string; stream: Readable } | null>;
}

/** Parts announce themselves by events; the reader wants them one by one. Bounded by what one chunk can hold. */
function openPartQueue(): PartQueue {
  const waiting: { disposition: string; stream: Readable }[] = [];
  let outcome: { error?: Error } | undefined;
  let wake: (() => void) | undefined;
  const signal = () => {
    wake?.();
    wake = undefined;
  };
  return {
    push: (part) => {
      waiting.push(part);
      signal();
    },
    end: (error) => {
      outcome ??= error === undefined ? {} : { error };
      signal();
    },
    next: async () => {
      for (;;) {
        const part = waiting.shift();
        if (part !== undefined) return part;
        if (outcome?.error !== undefined) throw outcome.error;
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

function connect(incoming: IncomingMessage, boundary: string, queue: PartQueue): Dicer {
  const parser = new Dicer({ boundary, maxHeaderPairs: 32 });
  const malformed = (cause: unknown) =>
    queue.end(domainError('request_malformed', 'The multipart body is malformed or ends early.', { cause }));
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
  incoming.on('error', malformed);
  incoming.on('close', () => {
    if (!incoming.complete) {
      queue.end(domainError('upload_aborted', 'The connection closed before the upload was complete.'));
    }
  });
  incoming.pipe(parser);
  return parser;
}

/**
 * Reads the files of a multipart body as they arrive; memory is O(one socket read). Parts that are not files are
 * skipped. @throws request_malformed, path_invalid, upload_aborted
 */
export async function* readFileParts(incoming: IncomingMessage, boundary: string): AsyncGenerator<FilePart> {
  const encoding = nameEncodingOf(incoming.headers['user-agent'], boundary);
  const queue = openPartQueue();
  const parser = connect(incoming, boundary, queue);
  try {
    for (;;) {
      const part = await queue.next();
      if (part === null) return;
      const fileName = partFileName(part.disposition, encoding);
      if (fileName === undefined) {
        part.stream.resume();
        continue;
      }
      yield { fileName, stream: part.stream };
    }
  } finally {
    incoming.unpipe(parser);
    parser.destroy();
  }
}
