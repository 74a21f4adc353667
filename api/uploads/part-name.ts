import { domainError } from '../../domain/errors.ts';

/**
 * How a client wrote file names. Browsers, curl and undici send raw UTF-8 and escape only `"`, CR and LF; aiohttp
 * percent-encodes everything, `/` included. Only the request tells them apart.
 */
export type NameEncoding = 'raw' | 'percent';

const pythonClient = /^Backend\.AI Client for Python/;
const aiohttpBoundary = /^[0-9a-f]{32}$/;

/** Decides how the file names of a multipart request are written. */
export function nameEncodingOf(userAgent: string | undefined, boundary: string): NameEncoding {
  if (userAgent !== undefined && pythonClient.test(userAgent)) return 'percent';
  return aiohttpBoundary.test(boundary) ? 'percent' : 'raw';
}

function decodePercent(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw domainError('path_invalid', 'A file name is not valid percent-encoded UTF-8.', { cause });
  }
}

/** `filename*=utf-8''…` of RFC 5987; other charsets are refused. */
function decodeExtended(value: string): string {
  const match = /^utf-8'[^']*'(.*)$/i.exec(value);
  if (match?.[1] === undefined) throw domainError('path_invalid', 'A filename* is not in UTF-8.');
  return decodePercent(match[1]);
}

/** Header bytes arrive as one character per byte. */
function fromBytes(latin1: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(latin1, 'latin1'));
  } catch (cause) {
    throw domainError('path_invalid', 'A file name is not valid UTF-8.', { cause });
  }
}

function parameters(header: string): Map<string, string> {
  const found = new Map<string, string>();
  const pattern = /;\s*([!#$%&'*+.^_`|~0-9a-z-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^;\s]*))/giu;
  for (const match of header.matchAll(pattern)) {
    const [, name = '', quoted, token = ''] = match;
    // A backslash escapes only a quote or itself: browsers send the backslashes of a name as they are.
    const value = quoted === undefined ? token : quoted.replace(/\\(["\\])/g, '$1');
    if (!found.has(name.toLowerCase())) found.set(name.toLowerCase(), value);
  }
  return found;
}

/**
 * The file name of a part, decoded; `undefined` for a part that is not a file. `disposition` is the part's
 * Content-Disposition as bytes (latin1). `filename*` wins over `filename`.
 * @throws path_invalid
 */
export function partFileName(disposition: string, encoding: NameEncoding): string | undefined {
  if (!/^\s*form-data\s*(;|$)/i.test(disposition)) return undefined;
  const found = parameters(disposition);
  const extended = found.get('filename*');
  if (extended !== undefined) return decodeExtended(extended);
  const plain = found.get('filename');
  if (plain === undefined) return undefined;
  const name = fromBytes(plain);
  if (encoding === 'percent') return decodePercent(name);
  return name.replace(/%22/g, '"').replace(/%0D/g, '\r').replace(/%0A/g, '\n');
}
