import type { IncomingHttpHeaders } from 'node:http';
import { domainError } from '../../domain/errors.ts';

const member = /(?:^|,)\s*sha-256\s*=\s*([^,]*)/;
const sha256Value = /^:([A-Za-z0-9+/]{43}=):\s*$/;

/**
 * The SHA-256 digests that a request promises of its content (RFC 9530: `Repr-Digest`, `Content-Digest`), in hex. Other
 * algorithms are not looked at. @throws request_malformed when one is no digest
 */
export function promisedDigests(headers: IncomingHttpHeaders): readonly string[] {
  return ['repr-digest', 'content-digest'].flatMap((name) => {
    const given = headers[name];
    const text = Array.isArray(given) ? given.join(',') : (given ?? '');
    const [, value] = member.exec(text) ?? [];
    if (value === undefined) return [];
    const [, encoded] = sha256Value.exec(value) ?? [];
    if (encoded === undefined) {
      throw domainError('request_malformed', `${name} must be sha-256=:<base64>: where it names SHA-256.`);
    }
    return [Buffer.from(encoded, 'base64').toString('hex')];
  });
}

/** @throws digest_mismatch when the content does not have every digest that was promised */
export function requireDigests(promised: readonly string[], sha256: string): void {
  if (promised.every((digest) => digest === sha256)) return;
  throw domainError('digest_mismatch', 'The bytes that arrived do not have the digest that came with them.');
}
