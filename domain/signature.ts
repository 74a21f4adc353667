import { createHash, createHmac } from 'node:crypto';

/** Version from which on the body is not part of the signature; compared as plain text, like every published signer. */
export const unsignedBodySince = 'v4.20181215';

/** SHA-256 of nothing, in hex: what stands for the body where it is not signed. */
export const emptyBodyHash = createHash('sha256').digest('hex');

/** The parts of a request that its signature covers, all as they are on the wire. */
export interface SignedRequest {
  /** The method that is meant: that of `X-Method-Override` when there is one. */
  readonly method: string;
  /** Path and query exactly as sent, still percent-encoded. */
  readonly target: string;
  /** The value of the date header, verbatim. */
  readonly date: string;
  /** Host header with the port, if it has one. */
  readonly host: string;
  /** Media type only; parameters and case do not matter. */
  readonly contentType: string;
  /** Header that carries the version: `x-backendai-version` or, of old clients, `x-sorna-version`. */
  readonly versionHeader: string;
  /** Empty when the request has no such header. */
  readonly version: string;
  /** Hex SHA-256 of the body, or `emptyBodyHash` where `signsBody` says so. */
  readonly bodyHash: string;
  /** Value of `X-VFolder-Content-SHA256`, verbatim; without that header there is no line for it. */
  readonly contentSha256?: string | undefined;
}

/** How far the date of a signature may be from the clock; strictly less is accepted. */
export const skewMsMax = 15 * 60_000;
/** The same for a signature that covers the content. */
export const contentSkewMsMax = 5 * 60_000;

/**
 * Tells whether the hash of the body is signed: below `v4.20181215` (or without a version) it is, except for
 * `multipart/form-data`; from there on it never is.
 */
export function signsBody(version: string, mediaType: string): boolean {
  return version < unsignedBodySince && mediaType.toLowerCase() !== 'multipart/form-data';
}

/** The text that is signed: seven lines without a newline at the end, or eight where the content's digest is sent along. */
export function stringToSign(request: SignedRequest): string {
  const mediaType = (request.contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
  return [
    request.method.toUpperCase(),
    request.target,
    request.date,
    `host:${request.host}`,
    `content-type:${mediaType}`,
    `${request.versionHeader}:${request.version}`,
    request.bodyHash,
    ...(request.contentSha256 === undefined ? [] : [`x-vfolder-content-sha256:${request.contentSha256}`]),
  ].join('\n');
}

/** What signs: the secret of the keypair and the day of the request's date in its own offset (`yyyymmdd`). */
export interface SigningKey {
  readonly secret: string;
  readonly dayKey: string;
}

/** The HMAC-SHA256 signature of a request in lower-case hex (64 characters). */
export function signRequest(request: SignedRequest, key: SigningKey): string {
  const ofDay = createHmac('sha256', key.secret).update(key.dayKey).digest();
  const ofHost = createHmac('sha256', ofDay).update(request.host).digest();
  return createHmac('sha256', ofHost).update(stringToSign(request)).digest('hex');
}
