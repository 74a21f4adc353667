import type { IncomingHttpHeaders } from 'node:http';
import { parseSignedDate } from '../../domain/signed-date.ts';
import { listsTag, type WriteCondition } from '../../domain/write-condition.ts';
import { type ByteRange, parseByteRange } from './byte-range.ts';

/**
 * What preconditions are compared with. `etag` is strong and quoted; `modifiedAt` in whole seconds decides dates, and
 * without it conditions by date count as absent (RFC 9110 §13.1.3 and §13.1.4).
 */
export interface Representation {
  readonly etag: string;
  readonly modifiedAt?: Date;
  readonly sizeBytes: number;
}

/** How to answer a GET or HEAD: 200, 206 with a range, 304, 412 or 416. */
export type Selection =
  | { readonly kind: 'whole' }
  | { readonly kind: 'range'; readonly range: ByteRange }
  | { readonly kind: 'not_modified' }
  | { readonly kind: 'precondition_failed' }
  | { readonly kind: 'range_not_satisfiable' };

/** Seconds since 1970 of an HTTP date, or `undefined` when it is none (then the field is ignored). */
export function httpDateSeconds(header: string | undefined): number | undefined {
  // All three forms of RFC 9110 §5.6.7 begin with a day of the week, and mean UTC.
  if (header === undefined || !/^[A-Z][a-z]{2}/.test(header)) return undefined;
  const date = parseSignedDate(header, new Date().getUTCFullYear());
  return date === undefined ? undefined : Math.floor(date.epochMs / 1000);
}

function matchFails(headers: IncomingHttpHeaders, etag: string, modified: number | undefined): boolean {
  const ifMatch = headers['if-match'];
  if (ifMatch !== undefined) return !listsTag(ifMatch, etag, 'strong');
  const since = httpDateSeconds(headers['if-unmodified-since']);
  return since !== undefined && modified !== undefined && modified > since;
}

function isUnmodified(headers: IncomingHttpHeaders, etag: string, modified: number | undefined): boolean {
  const ifNoneMatch = headers['if-none-match'];
  if (ifNoneMatch !== undefined) return listsTag(ifNoneMatch, etag, 'weak');
  const since = httpDateSeconds(headers['if-modified-since']);
  return since !== undefined && modified !== undefined && modified <= since;
}

/** A date is only a weak validator here, so a range is resumed on an equal strong tag alone (RFC 9110 §13.1.5). */
function rangeHeader(headers: IncomingHttpHeaders, etag: string): string | undefined {
  const ifRange = headers['if-range'];
  return ifRange === undefined || ifRange === etag ? headers.range : undefined;
}

/** Evaluates the conditions of a GET or HEAD in the order of RFC 9110 §13.2.2. `Range` counts for GET alone. */
export function selectRepresentation(
  method: string,
  headers: IncomingHttpHeaders,
  { etag, modifiedAt, sizeBytes }: Representation,
): Selection {
  const modified = modifiedAt === undefined ? undefined : Math.floor(modifiedAt.getTime() / 1000);
  if (matchFails(headers, etag, modified)) return { kind: 'precondition_failed' };
  if (isUnmodified(headers, etag, modified)) return { kind: 'not_modified' };
  if (method !== 'GET') return { kind: 'whole' };
  const range = parseByteRange(rangeHeader(headers, etag), sizeBytes);
  if (range === undefined) return { kind: 'whole' };
  if (range === 'unsatisfiable') return { kind: 'range_not_satisfiable' };
  return { kind: 'range', range };
}

/** The conditions that a request makes for what it changes (RFC 9110 §13.1); a date that is none is ignored. */
export function readWriteCondition(
  headers: IncomingHttpHeaders,
  ifExists: WriteCondition['ifExists'],
): WriteCondition {
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  const ifUnmodifiedSince = httpDateSeconds(headers['if-unmodified-since']);
  return {
    ifExists,
    ...(ifMatch === undefined ? {} : { ifMatch }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }),
    ...(ifUnmodifiedSince === undefined ? {} : { ifUnmodifiedSince }),
  };
}
