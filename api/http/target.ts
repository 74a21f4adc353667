import { domainError } from '../../domain/errors.ts';

/** A request target taken apart once; nothing later looks at the raw text again, but for signatures. */
export interface RequestTarget {
  /** As sent, read as UTF-8: path and query. Signatures cover exactly this. */
  readonly raw: string;
  /** The path as sent, without the query. */
  readonly path: string;
  /** The same path in one spelling (each segment percent-decoded once, then encoded again): what routes match. */
  readonly routingPath: string;
  /** What follows the first `?`, still encoded; empty when there is none. */
  readonly query: string;
}

const fatalUtf8 = new TextDecoder('utf-8', { fatal: true });

function refuse(detail: string): never {
  throw domainError('request_malformed', detail);
}

// Node hands the target over as one character per byte.
function asUtf8(latin1: string): string {
  try {
    return fatalUtf8.decode(Buffer.from(latin1, 'latin1'));
  } catch {
    return refuse('The request target is not UTF-8.');
  }
}

/**
 * Percent-decodes once; `+` stays `+`.
 * @throws request_malformed on a broken escape, on bytes that are not UTF-8 and on NUL
 */
export function percentDecode(encoded: string): string {
  if (!encoded.includes('%')) return encoded;
  let decoded: string;
  try {
    decoded = decodeURIComponent(encoded);
  } catch {
    return refuse('The request target has a malformed percent-encoding.');
  }
  if (decoded.includes('\0')) refuse('The request target may not contain NUL.');
  return decoded;
}

function routingSegment(encoded: string): string {
  const segment = percentDecode(encoded);
  if (segment === '.' || segment === '..') refuse('The path may not contain "." or ".." segments.');
  return encodeURIComponent(segment);
}

/**
 * Takes apart the target of a request line. Only the origin form (`/path?query`) is accepted, and only when every
 * reader of it must agree on what it names: no empty segment but a last one, no dot segments, no backslash, no fragment.
 * @throws request_malformed
 */
export function parseTarget(url: string): RequestTarget {
  if (!url.startsWith('/')) refuse('The request target must be a path that starts with "/".');
  const raw = asUtf8(url);
  const mark = raw.indexOf('?');
  const path = mark === -1 ? raw : raw.slice(0, mark);
  if (/[\\#\s]/.test(path)) refuse('The path may not contain a backslash, "#" or white space.');
  if (path.includes('//')) refuse('The path may not contain empty segments.');
  const segments = path.split('/').map(routingSegment);
  return { raw, path, routingPath: segments.join('/'), query: mark === -1 ? '' : raw.slice(mark + 1) };
}
