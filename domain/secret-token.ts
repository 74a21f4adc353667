import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

const secretBytes = 32;
const rest = /^([A-Za-z0-9_-]{43})([A-Za-z0-9_-]{6})$/;

function checkOf(secret: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(secret));
  return bytes.toString('base64url');
}

/** Tokens of one kind, told from others by their prefix. */
export interface TokenForm {
  /** A new token: prefix, 32 random bytes and their CRC-32, so that a scanner tells a token from what only looks like one. */
  make(): string;
  /** Tells whether a text has the form of a token, the check included; whether it is one is another matter. */
  isFormOf(text: string): boolean;
}

/** The form of the tokens that begin with `prefix`. */
export function tokenFormOf(prefix: string): TokenForm {
  return {
    make: () => {
      const secret = randomBytes(secretBytes).toString('base64url');
      return `${prefix}${secret}${checkOf(secret)}`;
    },
    isFormOf: (text) => {
      if (!text.startsWith(prefix)) return false;
      const [, secret, check] = rest.exec(text.slice(prefix.length)) ?? [];
      return secret !== undefined && check === checkOf(secret);
    },
  };
}

/**
 * What is kept of a token: lower-case hex. Its 256 random bits need no slow hash, and looking it up by this tells nothing by
 * its time that helps to find one.
 */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
