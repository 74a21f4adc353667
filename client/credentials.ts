import { createHash } from 'node:crypto';
import { emptyBodyHash, signRequest } from '../domain/signature.ts';
import { InputError } from './errors.ts';

/** How a client proves who it is; without any it only reaches public routes. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'keypair'; readonly accessKey: string; readonly secretKey: string };

const sendable = /^[\u0020-\u007e\u00a0-\u00ff]+$/;

/**
 * Refuses credentials that the service never issues and a header cannot carry: control characters, and what is not Latin-1. What is refused
 * is not repeated: it may be a secret with a line too many. @throws InputError
 */
export function requireSendable(credentials: Credentials): void {
  if (credentials.kind === 'none') return;
  const named: readonly (readonly [string, string])[] =
    credentials.kind === 'token'
      ? [['token', credentials.token]]
      : [
          ['access key', credentials.accessKey],
          ['secret key', credentials.secretKey],
        ];
  const wrong = named.find(([, value]) => !sendable.test(value));
  if (wrong !== undefined)
    throw new InputError(`The ${wrong[0]} has characters that none has: copy it again, without line ends.`);
}

/** What is proven for: one request as it goes out. `body` is all of it. */
export interface ProvenRequest {
  readonly method: string;
  readonly url: URL;
  readonly contentType: string | undefined;
  readonly body: Uint8Array | undefined;
}

const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/** Whether secrets may be sent to `url` as they are: over TLS, or on the machine itself. */
export function isConfidential(url: URL): boolean {
  return url.protocol === 'https:' || loopback.test(url.hostname);
}

/**
 * The headers that prove a request. A keypair goes as it is over connections that nobody reads, else it signs, with the
 * content (docs/API.md, "Signing in").
 */
export function proofOf(credentials: Credentials, request: ProvenRequest): Record<string, string> {
  if (credentials.kind === 'none') return {};
  if (credentials.kind === 'token') return { Authorization: `Bearer ${credentials.token}` };
  const { accessKey, secretKey } = credentials;
  if (isConfidential(request.url)) {
    return { Authorization: `Basic ${Buffer.from(`${accessKey}:${secretKey}`).toString('base64')}` };
  }
  return signContent(credentials, request);
}

type Keypair = Extract<Credentials, { kind: 'keypair' }>;

function isMultipart(contentType: string | undefined): boolean {
  return contentType?.toLowerCase().startsWith('multipart/form-data') === true;
}

function signContent(keypair: Keypair, request: ProvenRequest): Record<string, string> {
  const { method, url, contentType, body } = request;
  const contentSha256 = createHash('sha256')
    .update(body ?? '')
    .digest('hex');
  const date = new Date().toISOString();
  const signed = {
    method,
    target: `${url.pathname}${url.search}`,
    date,
    host: url.host,
    contentType: contentType ?? 'application/octet-stream',
    versionHeader: 'x-backendai-version',
    version: '',
    bodyHash: isMultipart(contentType) ? emptyBodyHash : contentSha256,
    contentSha256,
  };
  const dayKey = date.slice(0, 10).replaceAll('-', '');
  const signature = signRequest(signed, { secret: keypair.secretKey, dayKey });
  return {
    'X-BackendAI-Date': date,
    Authorization: `BackendAI signMethod=HMAC-SHA256, credential=${keypair.accessKey}:${signature}`,
    'X-VFolder-Content-SHA256': contentSha256,
  };
}
