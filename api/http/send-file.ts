import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { domainError } from '../../domain/errors.ts';
import type { OpenFile } from '../../storage/volume.ts';
import type { Content } from '../openapi/answers.ts';
import type { ByteRange } from './byte-range.ts';
import { attachment } from './content-disposition.ts';
import { type Representation, type Selection, selectRepresentation } from './preconditions.ts';
import type { UnsentBytes } from './rate-guard.ts';
import { sendBody } from './send-body.ts';
import { watchAccess } from './watch-access.ts';

/** What {@link sendFile} and {@link sendContent} answer, with content in one of these media types. */
export function fileAnswers(media: readonly string[]) {
  const content: Content = { media };
  const none: Content = { media: [] };
  return { 200: content, 206: content, 304: none } as const;
}

/** What {@link sendFile} and {@link sendContent} refuse with. */
export const fileRefusals = ['precondition_failed', 'range_not_satisfiable'] as const;

/** The raw sides of a request, as far as sending needs them. */
export interface RawExchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly signal: AbortSignal;
  readonly unsentBytes?: UnsentBytes | undefined;
}

/** How content is presented. `mayRead` is asked again every few seconds while the bytes flow. */
interface Presentation {
  readonly fileName: string;
  readonly contentType: string;
  readonly mayRead: () => Promise<boolean>;
}

/** An open file and how to present it. */
export interface FileToSend extends Presentation {
  readonly file: OpenFile;
}

/** Content known to the byte, of which any part can be had; `open` is asked for one part at most. */
export interface ContentToSend extends Presentation, Representation {
  readonly open: (range: ByteRange, signal: AbortSignal) => Readable;
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
  const date = modifiedAt === undefined ? {} : { 'Last-Modified': modifiedAt.toUTCString() };
  return { ETag: etag, ...date, 'Accept-Ranges': 'bytes' };
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

async function sendSelected(
  exchange: RawExchange,
  content: ContentToSend,
  selection: Selection,
): Promise<void> {
  const { outgoing } = exchange;
  const { sizeBytes } = content;
  if (selection.kind === 'not_modified') {
    outgoing.writeHead(304, { ...validators(content), 'Cache-Control': 'private, no-cache' }).end();
    return;
  }
  const range = selection.kind === 'range' ? selection.range : { start: 0, end: sizeBytes - 1 };
  const length = range.end - range.start + 1;
  const headers = { ...contentHeaders(content), ...validators(content), 'Content-Length': length };
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
    const source = content.open(range, access.signal);
    const { unsentBytes } = exchange;
    await sendBody({ source, outgoing, signal: access.signal, sizeBytes: length, unsentBytes });
  } finally {
    access.end();
  }
}

/**
 * Answers a GET or HEAD with content known to the byte: 200, 206, 304, exact length, strong ETag. Content that turns
 * out shorter, or that the caller may not read any more, cuts the connection.
 * @throws precondition_failed, range_not_satisfiable before anything is sent; a read error after
 */
export async function sendContent(exchange: RawExchange, content: ContentToSend): Promise<'sent'> {
  const { method, headers } = exchange.incoming;
  const selection = selectRepresentation(method ?? 'GET', headers, content);
  refuseSelection(selection.kind, exchange.outgoing, content.sizeBytes);
  await sendSelected(exchange, content, selection);
  return 'sent';
}

/** As {@link sendContent} with an open file, which is always closed. */
export async function sendFile(
  exchange: RawExchange,
  { file, ...presentation }: FileToSend,
): Promise<'sent'> {
  try {
    const open = (range: ByteRange) => file.stream(range);
    return await sendContent(exchange, { ...presentation, ...representationOf(file), open });
  } finally {
    await file.close();
  }
}
