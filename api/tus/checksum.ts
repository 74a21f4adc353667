import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { crc32 } from 'node:zlib';
import { domainError } from '../../domain/errors.ts';
import { headerOf } from './headers.ts';

/** What `Upload-Checksum` may name, the required sha1 first. */
export const checksumAlgorithms = ['sha1', 'sha256', 'md5', 'crc32'] as const;
type Algorithm = (typeof checksumAlgorithms)[number];

/** Sums the bytes of one request, to be compared with what its sender says. */
export interface ChecksumCheck {
  update(chunk: Uint8Array): void;
  /** Call it once, when the body has ended. @throws checksum_mismatch, request_malformed */
  verify(): void;
}

interface Expected {
  readonly algorithm: Algorithm;
  readonly digest: Buffer;
}

function parseChecksum(header: string): Expected {
  const [name = '', text = '', ...more] = header.trim().split(/\s+/);
  const algorithm = checksumAlgorithms.find((known) => known === name);
  const digest = Buffer.from(text, 'base64');
  if (algorithm === undefined) {
    const detail = `The checksum algorithm is not one of ${checksumAlgorithms.join(', ')}.`;
    throw domainError('request_malformed', detail);
  }
  if (more.length > 0 || text === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) {
    throw domainError('request_malformed', 'Upload-Checksum is an algorithm, a space and a base64 digest.');
  }
  return { algorithm, digest };
}

function openSum(algorithm: Algorithm): { update(chunk: Uint8Array): void; digest(): Buffer } {
  if (algorithm !== 'crc32') {
    const hash = createHash(algorithm);
    return { update: (chunk) => void hash.update(chunk), digest: () => hash.digest() };
  }
  let sum = 0;
  return {
    update: (chunk) => {
      sum = crc32(chunk, sum);
    },
    digest: () => {
      const digest = Buffer.alloc(4);
      digest.writeUInt32BE(sum);
      return digest;
    },
  };
}

function announcesTrailer(incoming: IncomingMessage): boolean {
  const announced = headerOf(incoming.headers, 'trailer') ?? '';
  return announced.split(',').some((name) => name.trim().toLowerCase() === 'upload-checksum');
}

/**
 * The check that a request asks for by `Upload-Checksum`, in its head or, announced by `Trailer`, behind its body (then the
 * algorithm is not known before, and all are summed). `undefined` when it asks for none.
 * @throws request_malformed
 */
export function openChecksum(incoming: IncomingMessage): ChecksumCheck | undefined {
  const header = headerOf(incoming.headers, 'upload-checksum');
  const given = header === undefined ? undefined : parseChecksum(header);
  if (given === undefined && !announcesTrailer(incoming)) return undefined;
  const names = given === undefined ? checksumAlgorithms : [given.algorithm];
  const sums = new Map(names.map((name) => [name, openSum(name)]));
  return {
    update: (chunk) => {
      for (const sum of sums.values()) sum.update(chunk);
    },
    verify: () => {
      const trailer = incoming.trailers['upload-checksum'];
      const { algorithm, digest } = given ?? parseChecksum(trailer ?? '');
      if (sums.get(algorithm)?.digest().equals(digest) === true) return;
      throw domainError(
        'checksum_mismatch',
        `The ${algorithm} of the bytes received is another; they were dropped.`,
      );
    },
  };
}
