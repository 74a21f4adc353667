import type { IncomingMessage } from 'node:http';
import { domainError } from '../../domain/errors.ts';
import { parseTraceparent, type TraceContext } from '../../domain/trace.ts';

/** Headers that may come once at most: what signatures, routing and body reading depend on must have one reading. */
const singleHeaders = new Set([
  'authorization',
  'content-encoding',
  'content-type',
  'date',
  'host',
  'idempotency-key',
  'tus-resumable',
  'upload-offset',
  'x-backendai-date',
  'x-backendai-version',
  'x-http-method-override',
  'x-method-override',
  'x-vfolder-content-sha256',
  'x-sorna-date',
  'x-sorna-version',
]);
const hostForm = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;
const requestIdForm = /^[A-Za-z0-9._-]{8,64}$/;

function refuse(detail: string): never {
  throw domainError('request_malformed', detail);
}

function requireSingleHeaders(rawHeaders: readonly string[]): void {
  const seen = new Set<string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? '';
    if (!singleHeaders.has(name)) continue;
    if (seen.has(name)) refuse(`The header "${name}" is given more than once.`);
    seen.add(name);
  }
}

/** A body that is coded for the transfer (RFC 9112 §7) would be taken for the content itself. */
function requirePlainTransfer({ 'transfer-encoding': coding }: IncomingMessage['headers']): void {
  if (coding === undefined || coding.trim().toLowerCase() === 'chunked') return;
  refuse('The only Transfer-Encoding is "chunked".');
}

/**
 * Gives a request of HTTP/1.0 that names no host the one it came to: only HTTP/1.1 has to name it (RFC 9112 §3.2), and the
 * health checks of load balancers do not.
 */
export function supplyHost({ httpVersion, headers, socket }: IncomingMessage): void {
  if (httpVersion === '1.0' && headers.host === undefined)
    headers.host = `localhost:${socket.localPort ?? 80}`;
}

/**
 * Checks what holds for every request whatever its route: HTTP/1.0 or 1.1, exactly one sound `Host`, no header
 * twice that must have one meaning, and no coding of the transfer but chunks.
 * @throws request_malformed
 */
export function requireSoundHead(incoming: IncomingMessage): void {
  if (incoming.httpVersion !== '1.1' && incoming.httpVersion !== '1.0') refuse('Use HTTP/1.1.');
  requireSingleHeaders(incoming.rawHeaders);
  requirePlainTransfer(incoming.headers);
  const host = incoming.headers.host ?? '';
  if (!hostForm.test(host) || !URL.canParse(`http://${host}/`)) refuse('Send one valid Host header.');
}

/** The `X-Request-Id` of the caller when it is a plain word of 8 to 64 characters, else `undefined`. */
export function givenRequestId(headers: IncomingMessage['headers']): string | undefined {
  const given = headers['x-request-id'];
  return typeof given === 'string' && requestIdForm.test(given) ? given : undefined;
}

/** Where the caller's `traceparent` puts a request (W3C Trace Context §3.2), if it has a sound one. */
export function givenTrace(headers: IncomingMessage['headers']): TraceContext | undefined {
  const given = headers.traceparent;
  return typeof given === 'string' ? parseTraceparent(given) : undefined;
}

/** The method that is meant: `X-Method-Override`, or tus' `X-HTTP-Method-Override`; they count on POST only. */
export function methodOf(incoming: IncomingMessage): string {
  const method = incoming.method ?? '';
  const override = incoming.headers['x-method-override'] ?? incoming.headers['x-http-method-override'];
  return method === 'POST' && typeof override === 'string' ? override.trim().toUpperCase() : method;
}
