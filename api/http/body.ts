import type { IncomingMessage } from 'node:http';
import { domainError, isDomainError } from '../../domain/errors.ts';
import { bodyFailureOf } from './body-failure.ts';
import { startGathering } from './gather.ts';

/** Most bytes of a JSON body. */
export const jsonBytesMax = 1024 ** 2;
/** Deepest nesting of a JSON body. */
export const jsonDepthMax = 32;
/** How long a JSON body may take to arrive. */
export const jsonArrivalMsMax = 30_000;

const fatalUtf8 = new TextDecoder('utf-8', { fatal: true });

/** Tells whether the request announced a body (of at least one byte, as far as it says). */
export function hasBody(headers: IncomingMessage['headers']): boolean {
  if (headers['transfer-encoding'] !== undefined) return true;
  return Number(headers['content-length'] ?? 0) > 0;
}

function tooLarge(bytesMax: number): Error {
  return domainError('body_too_large', `The body may have at most ${bytesMax} bytes.`);
}

/**
 * Reads the whole body from the socket, whatever the method, counting as it goes; call it once.
 * @throws body_too_large, request_timeout; request_malformed when its framing is broken; upload_aborted when it ends early
 */
export function readBytes(
  incoming: IncomingMessage,
  limits: { readonly bytesMax: number; readonly arrivalMsMax: number },
): Promise<Buffer> {
  if (!hasBody(incoming.headers)) return Promise.resolve(Buffer.alloc(0));
  if (Number(incoming.headers['content-length'] ?? 0) > limits.bytesMax) {
    return Promise.reject(tooLarge(limits.bytesMax));
  }
  return new Promise((resolve, reject) => {
    const gathering = startGathering();
    const finish = (outcome: Error | Buffer): void => {
      clearTimeout(timer);
      incoming.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken);
      if (outcome instanceof Error) {
        incoming.pause();
        reject(outcome);
      } else resolve(outcome);
    };
    const onData = (chunk: Buffer): void => {
      if (gathering.sizeBytes + chunk.length > limits.bytesMax) finish(tooLarge(limits.bytesMax));
      else gathering.add(chunk);
    };
    const onEnd = (): void => finish(gathering.bytes());
    const onBroken = (cause?: unknown): void => {
      finish(isDomainError(cause) ? cause : domainError('upload_aborted', 'The body ended too early.'));
    };
    const timer = setTimeout(() => {
      finish(domainError('request_timeout', 'The body did not arrive in time.'));
    }, limits.arrivalMsMax);
    incoming.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken);
    const failure = bodyFailureOf(incoming);
    if (failure !== undefined) onBroken(failure);
    if (incoming.destroyed && !incoming.readableEnded) onBroken();
  });
}

/** The media type alone, lower case, without parameters; empty when the header is absent. */
export function mediaTypeOf(headers: IncomingMessage['headers']): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function isJsonType(mediaType: string): boolean {
  return (
    mediaType === '' || mediaType === 'application/json' || /^application\/[\w.-]+\+json$/.test(mediaType)
  );
}

/**
 * Refuses bodies that are encoded (`Content-Encoding`); applies to every kind of body.
 * @throws media_type_unsupported
 */
export function requireIdentityEncoding(headers: IncomingMessage['headers']): void {
  const encoding = (headers['content-encoding'] ?? '').trim().toLowerCase();
  if (encoding !== '' && encoding !== 'identity') {
    throw domainError('media_type_unsupported', 'Send the body without Content-Encoding.');
  }
}

/**
 * Refuses a body that says it is not JSON in UTF-8. Without bytes any type passes, since published clients put
 * `text/plain` on requests that have no body.
 * @throws media_type_unsupported
 */
export function requireJson(headers: IncomingMessage['headers']): void {
  if (!hasBody(headers)) return;
  requireIdentityEncoding(headers);
  if (!isJsonType(mediaTypeOf(headers))) {
    throw domainError('media_type_unsupported', 'Send the body as application/json.');
  }
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && !/^(?:utf-?8|us-ascii)$/i.test(charset)) {
    throw domainError('media_type_unsupported', 'Send the body in UTF-8.');
  }
}

const nestingSteps: ReadonlyMap<string, number> = new Map([
  ['{', 1],
  ['[', 1],
  ['}', -1],
  [']', -1],
]);

/** The deepest nesting of brackets in a JSON text, strings aside; looks before the parser builds anything. */
function nestingOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let isInString = false;
  for (const [token] of text.matchAll(/\\.|["{}[\]]/gs)) {
    if (token === '"') isInString = !isInString;
    else if (!isInString) depth += nestingSteps.get(token) ?? 0;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return fatalUtf8.decode(bytes);
  } catch {
    throw domainError('request_malformed', 'The body is not UTF-8.');
  }
}

/**
 * Reads the bytes of a JSON object; no bytes are an empty one.
 * @throws request_malformed when it is not UTF-8, not JSON, not an object or nested deeper than 32
 */
export function parseJsonObject(bytes: Buffer): Readonly<Record<string, unknown>> {
  if (bytes.length === 0) return {};
  const text = decodeUtf8(bytes);
  if (nestingOf(text) > jsonDepthMax) {
    throw domainError('request_malformed', `The body is nested deeper than ${jsonDepthMax}.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw domainError('request_malformed', 'The body is not JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw domainError('request_malformed', 'The body must be a JSON object.');
  }
  return Object.fromEntries(Object.entries(value));
}
