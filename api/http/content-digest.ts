import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { domainError, isDomainError } from '../../domain/errors.ts';
import { bodyFailureOf } from './body-failure.ts';

/** The digest that a caller says the content has. @throws `malformed` when it is none */
export function readContentDigest(
  headers: IncomingMessage['headers'],
  malformed: 'auth_invalid' | 'request_malformed',
): string | undefined {
  const digest = headers['x-vfolder-content-sha256'];
  if (digest === undefined) return undefined;
  if (typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest)) return digest;
  throw domainError(malformed, 'X-VFolder-Content-SHA256 must be 64 hexadecimal digits in lower case.');
}

function requireSame(actual: string, expected: string): void {
  if (actual === expected) return;
  throw domainError('digest_mismatch', 'The body does not have the digest of X-VFolder-Content-SHA256.');
}

/** Compares a whole body with the digest its caller gave, if any. @throws digest_mismatch */
export function requireDigest(bytes: Uint8Array, expected: string | undefined): void {
  if (expected !== undefined) requireSame(createHash('sha256').update(bytes).digest('hex'), expected);
}

/** Reads what is left of a body, for nobody else will. @throws upload_aborted and what the body failed with */
function readToEnd(incoming: IncomingMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void =>
      reject(
        isDomainError(cause) ? cause : domainError('upload_aborted', 'The body ended too early.', { cause }),
      );
    incoming.once('end', resolve).once('error', fail).once('close', fail);
    const failure = bodyFailureOf(incoming);
    if (failure !== undefined) fail(failure);
    else if (incoming.readableEnded) resolve();
    else incoming.resume();
  });
}

/**
 * Hashes a body while somebody else reads it; to be called before the first byte is.
 * @returns a check that reads the body to its end and throws digest_mismatch; nothing may be published before it
 */
export function watchDigest(incoming: IncomingMessage, expected: string | undefined): () => Promise<void> {
  if (expected === undefined) return () => Promise.resolve();
  const hash = createHash('sha256');
  incoming.on('data', (chunk: Buffer) => hash.update(chunk));
  // A listener alone would make the body flow past whoever is to read it.
  incoming.pause();
  return async () => {
    await readToEnd(incoming);
    requireSame(hash.digest('hex'), expected);
  };
}
