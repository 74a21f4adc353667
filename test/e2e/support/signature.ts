import { createHash, createHmac } from 'node:crypto';

/** What a caller proves itself with. */
export interface Keypair {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** A request as its signer sees it; everything as it goes over the wire. */
export interface RequestToSign {
  readonly method: string;
  /** Path and query, percent-encoded. */
  readonly target: string;
  readonly host: string;
  /** Value of the date header. */
  readonly date: string;
  /** `yyyymmdd` of that date in its own offset. */
  readonly day: string;
  /** Media type without parameters, lower case; a request without the header counts as `application/octet-stream`. */
  readonly mediaType: string;
  /** Value of X-BackendAI-Version; `undefined` when it is not sent. */
  readonly version: string | undefined;
  /** Empty for a request without one. */
  readonly body: Uint8Array;
}

const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text);

/**
 * The hex signature of a request, computed from the published description alone. The hash of the body is signed only
 * below version `v4.20181215` (or without one), and never for multipart.
 */
export function signatureOf(request: RequestToSign, secretKey: string): string {
  const isBodySigned = (request.version ?? '') < 'v4.20181215' && request.mediaType !== 'multipart/form-data';
  const bodyHash = createHash('sha256')
    .update(isBodySigned ? request.body : '')
    .digest('hex');
  const text = [
    request.method,
    request.target,
    request.date,
    `host:${request.host}`,
    `content-type:${request.mediaType}`,
    `x-backendai-version:${request.version ?? ''}`,
    bodyHash,
  ].join('\n');
  const dayKey = hmac(secretKey, request.day).digest();
  const hostKey = hmac(dayKey, request.host).digest();
  return hmac(hostKey, text).digest('hex');
}

/** The `Authorization` value that carries a signature. */
export function signatureHeader(accessKey: string, signature: string): string {
  return `BackendAI signMethod=HMAC-SHA256, credential=${accessKey}:${signature}`;
}

/** The `Authorization` value of HTTP Basic. */
export function basicHeader({ accessKey, secretKey }: Keypair): string {
  return `Basic ${Buffer.from(`${accessKey}:${secretKey}`).toString('base64')}`;
}
