import type { IncomingMessage, ServerResponse } from 'node:http';
import { domainError } from '../../domain/errors.ts';
import type { OpenFile } from '../../storage/volume.ts';
import { attachment } from './content-disposition.ts';
import { type Representation, type Selection, selectRepresentation } from './preconditions.ts';
import { sendBody } from './send-body.ts';
import { watchAccess } from './watch-access.ts';

/** The raw sides of a request, as far as sending needs them. */
export interface RawExchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly signal: AbortSignal;
}

/** An open file and how to present it. `mayRead` is asked again every few seconds while the bytes flow. */
export interface FileToSend {
  readonly file: OpenFile;
  readonly fileName: string;
  readonly contentType: string;
  readonly mayRead: () => Promise<boolean>;
}

/**
 * What every answer with content of users carries: browsers save it, do not guess its type, and run nothing of it in
 * our origin; shared caches keep nothing, private ones ask again.
 */
export function contentHeaders(content: { readonly contentType: string; readonly fileName: string }) {
  return {
    'Content-Type': content.contentType,
    'Content-Disposition': attachment(content.fileName),
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': 'sandbox',
    'Cache-Control': 'private, no-cache',
  };
}

/** Seconds since 1970 of the last moment that an HTTP date can name; file systems reach further. */
const httpDateSecondsMax = 253_402_300_799;

function representationOf({ stat }: OpenFile) {
  const seconds = Math.min(Math.max(stat.mtime, 0), httpDateSecondsMax);
  return {
    etag: `"${stat.version}"`,
    modifiedAt: new Date(seconds * 1000),
    sizeBytes: stat.sizeBytes,
  };
}

function validators({ etag, modifiedAt }: Representation) {
  return { ETag: etag, 'Last-Modified': modifiedAt.toUTCString(), 'Accept-Ranges': 'bytes' };
}

/** Refusals keep what RFC 9110 wants them to carry; the problem body is written further out. */
function refuseSelection(kind: Selection['kind'], outgoing: ServerResponse, sizeBytes: number): void {
  if (kind === 'precondition_failed') {
    throw domainError('precondition_failed', 'The entry is not in the state that the request names.');
  }
  if (kind === 'range_not_satisfiable') {
    outgoing.setHeader('Content-Range', `bytes */${sizeBytes}`);
    throw domainError(
      'range_not_satisfiable',
      `The range lies outside the ${sizeBytes} bytes of the content.`,
    );
  }
}

async function sendSelected(exchange: RawExchange, content: FileToSend, selection: Selection): Promise<void> {
  const { outgoing } = exchange;
  const { file } = content;
  const representation = representationOf(file);
  const { sizeBytes } = representation;
  if (selection.kind === 'not_modified') {
    outgoing.writeHead(304, { ...validators(representation), 'Cache-Control': 'private, no-cache' }).end();
    return;
  }
  const range = selection.kind === 'range' ? selection.range : { start: 0, end: sizeBytes - 1 };
  const length = range.end - range.start + 1;
  const headers = { ...contentHeaders(content), ...validators(representation), 'Content-Length': length };
  if (selection.kind === 'range') {
    outgoing.writeHead(206, {
      ...headers,
      'Content-Range': `bytes ${range.start}-${range.end}/${sizeBytes}`,
    });
  } else outgoing.writeHead(200, headers);
  if (exchange.incoming.method === 'HEAD' || length === 0) {
    outgoing.end();
    return;
  }
  const access = watchAccess(content.mayRead, exchange.signal);
  try {
    await sendBody({ source: file.stream(range), outgoing, signal: access.signal, sizeBytes: length });
  } finally {
    access.end();
  }
}

/**
 * Answers a GET or HEAD with an open file: 200, 206, 304, exact length, strong ETag. Always closes the file. A file
 * that became shorter, or that the caller may not read any more, cuts the connection.
 * @throws precondition_failed, range_not_satisfiable before anything is sent; a read error after
 */
export async function sendFile(exchange: RawExchange, content: FileToSend): Promise<'sent'> {
  const { file } = content;
  try {
    const { method, headers } = exchange.incoming;
    const selection = selectRepresentation(method ?? 'GET', headers, representationOf(file));
    refuseSelection(selection.kind, exchange.outgoing, file.stat.sizeBytes);
    await sendSelected(exchange, content, selection);
    return 'sent';
  } finally {
    await file.close();
  }
}
