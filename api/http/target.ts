import { domainError } from '../../domain/errors.ts';

/** A request target taken apart once; nothing later looks at the raw text again, but for signatures. */
export interface RequestTarget {
  /** As sent, read as UTF-8: path and query, without what may stand before them. Signatures cover exactly this. */
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

/** The origin form of a target that names this service whole, as a proxy is sent it (RFC 9112 §3.2.2). */
function originForm(url: string, host: string | undefined): string {
  const absolute = /^https?:\/\/([^/?#]+)(.*)$/i.exec(url);
  if (absolute === null) return url;
  const [, authority = '', rest = ''] = absolute;
  if (authority.toLowerCase() !== host?.toLowerCase())
    refuse('The request target and Host name different hosts.');
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/**
 * Takes apart the target of a request line: a path with a query, or the same behind the scheme and the `host` that the
 * request names. It is accepted only when every reader of it must agree on what it names: no empty segment but a last one,
 * no dot segments, no backslash, no fragment.
 * @throws request_malformed
 */
export function parseTarget(url: string, host?: string): RequestTarget {
  const target = originForm(url, host);
  if (!target.startsWith('/')) refuse('The request target must be a path that starts with "/".');
  const raw = asUtf8(target);
  const mark = raw.indexOf('?');
  const path = mark === -1 ? raw : raw.slice(0, mark);
  if (/[\\#\s]/.test(path)) refuse('The path may not contain a backslash, "#" or white space.');
  if (path.includes('//')) refuse('The path may not contain empty segments.');
  const segments = path.split('/').map(routingSegment);
  return { raw, path, routingPath: segments.join('/'), query: mark === -1 ? '' : raw.slice(mark + 1) };
}
