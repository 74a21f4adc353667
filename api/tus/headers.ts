import type { IncomingHttpHeaders } from 'node:http';
import { domainError } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';

/** The version of tus that is spoken (https://tus.io/protocols/resumable-upload, 1.0.0). */
export const tusVersion = '1.0.0';
/** On every answer of a tus route. */
export const tusHeaders = { 'Tus-Resumable': tusVersion, 'Cache-Control': 'no-store' } as const;

/** Parts that one upload may be joined from. */
const partsMax = 1000;
const metadataBytesMax = 16 * 1024;

function refuse(detail: string): never {
  throw domainError('request_malformed', detail);
}

/** A header as one text; those that may come once come so, others are joined by Node. */
export function headerOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.join(', ');
}

/** "The Tus-Resumable header MUST be included in every request […] except for OPTIONS". @throws tus_version_unsupported */
export function requireTusVersion(headers: IncomingHttpHeaders): void {
  if (headerOf(headers, 'tus-resumable') === tusVersion) return;
  throw domainError('tus_version_unsupported', `Send the header "Tus-Resumable: ${tusVersion}".`);
}

/** A non-negative integer header; `undefined` when it is absent. @throws request_malformed */
export function integerHeader(headers: IncomingHttpHeaders, name: string): number | undefined {
  const text = headerOf(headers, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(value)) {
    refuse(`The header ${name} must be a non-negative integer of at most ${Number.MAX_SAFE_INTEGER}.`);
  }
  return value;
}

const fatalUtf8 = new TextDecoder('utf-8', { fatal: true });

function decodeBase64(key: string, text: string): string {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) refuse(`The metadata "${key}" is not base64.`);
  try {
    return fatalUtf8.decode(Buffer.from(text, 'base64'));
  } catch {
    refuse(`The metadata "${key}" is not UTF-8.`);
  }
}

/**
 * Reads `Upload-Metadata`: "one or more comma-separated key-value pairs. The key and value MUST be separated by a space.
 * […] The key SHOULD be ASCII encoded and the value MUST be Base64 encoded. All keys MUST be unique."
 * @throws request_malformed
 */
export function parseMetadata(header: string): Map<string, string> {
  if (Buffer.byteLength(header) > metadataBytesMax) refuse('The metadata is too long.');
  const metadata = new Map<string, string>();
  for (const pair of header.split(',')) {
    const [key = '', value = '', ...more] = pair.trim().split(/\s+/);
    if (key === '' && header.trim() === '') break;
    if (key === '' || more.length > 0 || metadata.has(key)) refuse('The metadata is malformed.');
    metadata.set(key, decodeBase64(key, value));
  }
  return metadata;
}

/** What `Upload-Concat` asks for. */
export type Concat =
  | { readonly shape: 'whole' | 'partial' }
  | { readonly shape: 'final'; readonly partIds: readonly string[]; readonly header: string };

/** Upload urls end in the id, whatever stands before it. */
function idOfUrl(url: string): string {
  const id = parseId(url.slice(url.lastIndexOf('/') + 1).split(/[?#]/, 1)[0] ?? '');
  return id ?? refuse('Upload-Concat names something that is no upload.');
}

/** Reads `Upload-Concat`: `partial`, or `final;` and the urls of the parts, separated by spaces. @throws request_malformed */
export function parseConcat(header: string | undefined): Concat {
  if (header === undefined) return { shape: 'whole' };
  if (header.trim() === 'partial') return { shape: 'partial' };
  const urls = /^\s*final\s*;\s*(\S.*)$/.exec(header)?.[1]?.trim().split(/\s+/) ?? [];
  if (urls.length === 0) refuse('Upload-Concat must be "partial", or "final;" and the urls of the parts.');
  if (urls.length > partsMax) refuse(`An upload may have at most ${partsMax} parts.`);
  const partIds = urls.map(idOfUrl);
  if (new Set(partIds).size !== partIds.length) refuse('Each part may be named once.');
  return { shape: 'final', partIds, header };
}

/** How long a new upload will be; `undefined` when that is deferred. @throws request_malformed */
export function newLength(headers: IncomingHttpHeaders): number | undefined {
  const lengthBytes = integerHeader(headers, 'upload-length');
  const deferred = headerOf(headers, 'upload-defer-length');
  if (deferred !== undefined && deferred !== '1') refuse('Upload-Defer-Length can only be 1.');
  if ((lengthBytes === undefined) === (deferred === undefined)) {
    refuse('Send either Upload-Length or "Upload-Defer-Length: 1".');
  }
  return lengthBytes;
}
