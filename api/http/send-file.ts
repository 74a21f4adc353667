import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { domainError } from '../../domain/errors.ts';
import { preconditionFailed } from '../../domain/write-condition.ts';
import type { OpenFile } from '../../storage/volume.ts';
import type { Content } from '../openapi/answers.ts';
import type { ByteRange } from './byte-range.ts';
import { attachment } from './content-disposition.ts';
import { type Representation, type Selection, selectRepresentation } from './preconditions.ts';
import type { UnsentBytes } from './rate-guard.ts';
import { sendBody } from './send-body.ts';
import { sendSpan } from './send-span.ts';
import { watchAccess } from './watch-access.ts';

/** What {@link sendFile} and {@link sendContent} answer, with content in one of these media types. */
export function fileAnswers(media: readonly string[]) {
  const content: Content = { media };
  const none: Content = { media: [] };
  return { 200: content, 206: content, 304: none } as const;
}

/** What {@link sendFile} and {@link sendContent} refuse with. */
export const fileRefusals = ['precondition_failed', 'range_not_satisfiable', 'entry_changed'] as const;

/** The raw sides of a request, as far as sending needs them. */
export interface RawExchange {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly signal: AbortSignal;
  readonly unsentBytes?: UnsentBytes | undefined;
}

/** Content that is about to be sent: its strong tag, if it has one, and whether it is only a part of it. */
export interface Admitted {
  readonly etag: string | null;
  readonly isPart: boolean;
}

/** Asked once, before any content is sent; what it throws refuses the request. */
export type Admit = (content: Admitted) => Promise<void>;

/** Asks {@link Admit} for content that has no tag and is sent whole, unless only its head is. */
export async function admitWhole(
  { incoming }: Pick<RawExchange, 'incoming'>,
  { admit }: { readonly admit?: Admit | undefined },
): Promise<void> {
  if (incoming.method !== 'HEAD') await admit?.({ etag: null, isPart: false });
}

/** How content is presented. `mayRead` is asked again every few seconds while the bytes flow. */
interface Presentation {
  readonly fileName: string;
  readonly contentType: string;
  readonly mayRead: () => Promise<boolean>;
  readonly admit?: Admit | undefined;
}

/** An open file and how to present it. */
export interface FileToSend extends Presentation {
  readonly file: OpenFile;
}

/** Content known to the byte, of which any part can be had; `open` is asked for one part at most. */
export interface ContentToSend extends Presentation, Representation {
  readonly open: (range: ByteRange, signal: AbortSignal) => Readable;
}

/** Content that lies in a file. */
interface StoredContent extends Presentation, Representation, Pick<OpenFile, 'read' | 'content'> {}

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

/**
 * Ends the answer to a HEAD, whose head is all of it: what is made on the way is not made for it.
 * @returns whether it was one
 */
export function endsWithHead({ incoming, outgoing }: Pick<RawExchange, 'incoming' | 'outgoing'>): boolean {
  if (incoming.method !== 'HEAD') return false;
  outgoing.end();
  return true;
}

/** Refusals keep what RFC 9110 wants them to carry; the problem body is written further out. */
function refuseSelection(kind: Selection['kind'], outgoing: ServerResponse, sizeBytes: number): void {
  if (kind === 'precondition_failed') throw preconditionFailed();
  if (kind === 'range_not_satisfiable') {
    outgoing.setHeader('Content-Range', `bytes */${sizeBytes}`);
    throw domainError(
      'range_not_satisfiable',
      `The range lies outside the ${sizeBytes} bytes of the content.`,
    );
  }
}

function headOf(content: ContentToSend | StoredContent, range: ByteRange | undefined) {
  const { sizeBytes } = content;
  // Not spread together, which takes ten times as long.
  const headers = Object.assign(contentHeaders(content), validators(content));
  if (range === undefined) {
    return { status: 200, headers: Object.assign(headers, { 'Content-Length': sizeBytes }) };
  }
  const { start, end } = range;
  const part = { 'Content-Length': end - start + 1, 'Content-Range': `bytes ${start}-${end}/${sizeBytes}` };
  return { status: 206, headers: Object.assign(headers, part) };
}

async function sendRange(
  exchange: RawExchange,
  content: ContentToSend | StoredContent,
  { range, writeHead }: { readonly range: ByteRange; readonly writeHead: () => void },
): Promise<void> {
  const { outgoing, unsentBytes } = exchange;
  const access = watchAccess(content.mayRead, exchange.signal);
  try {
    if ('read' in content) {
      const { read, content: inMemory } = content;
      await sendSpan({ read, content: inMemory, range, outgoing, writeHead, access, unsentBytes });
      return;
    }
    writeHead();
    const source = content.open(range, access.signal);
    const sizeBytes = range.end - range.start + 1;
    await sendBody({ source, outgoing, signal: access.signal, sizeBytes, unsentBytes });
  } finally {
    access.end();
  }
}

async function sendSelected(
  exchange: RawExchange,
  content: ContentToSend | StoredContent,
  selection: Selection,
): Promise<void> {
  const { outgoing } = exchange;
  if (selection.kind === 'not_modified') {
    outgoing.writeHead(304, { ...validators(content), 'Cache-Control': 'private, no-cache' }).end();
    return;
  }
  const part = selection.kind === 'range' ? selection.range : undefined;
  const { status, headers } = headOf(content, part);
  const writeHead = () => void outgoing.writeHead(status, headers);
  const range = part ?? { start: 0, end: content.sizeBytes - 1 };
  if (exchange.incoming.method !== 'HEAD') {
    const isPart = range.start > 0 || range.end + 1 < content.sizeBytes;
    await content.admit?.({ etag: content.etag, isPart });
  }
  if (exchange.incoming.method === 'HEAD' || range.end < range.start) {
    writeHead();
    outgoing.end();
    return;
  }
  await sendRange(exchange, content, { range, writeHead });
}

/**
 * Answers a GET or HEAD with content known to the byte: 200, 206, 304, exact length, strong ETag. Content that turns
 * out shorter, or that the caller may not read any more, cuts the connection.
 * @throws precondition_failed, range_not_satisfiable, and for files entry_changed and volume_unavailable, before anything is
 *   sent, and what `admit` throws; a read error after
 */
export async function sendContent(
  exchange: RawExchange,
  content: ContentToSend | StoredContent,
): Promise<'sent'> {
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
    const { read, content } = file;
    return await sendContent(exchange, { ...presentation, ...representationOf(file), read, content });
  } finally {
    await file.close();
  }
}
