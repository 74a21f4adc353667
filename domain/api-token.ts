import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** What a token may be used for: `read` alone never changes anything. */
export const tokenScopes = ['read', 'write'] as const;

/** One of {@link tokenScopes}. */
export type TokenScope = (typeof tokenScopes)[number];

const prefix = 'vf_pat_';
const secretBytes = 32;
const form = /^vf_pat_([A-Za-z0-9_-]{43})([A-Za-z0-9_-]{6})$/;

function checkOf(secret: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(secret));
  return bytes.toString('base64url');
}

/** A new token: prefix, 32 random bytes and their CRC-32, so that a scanner tells a token from what only looks like one. */
export function makeToken(): string {
  const secret = randomBytes(secretBytes).toString('base64url');
  return `${prefix}${secret}${checkOf(secret)}`;
}

/** Tells whether a text has the form of a token, the check included; whether it is one is another matter. */
export function isTokenForm(text: string): boolean {
  const [, secret, check] = form.exec(text) ?? [];
  return secret !== undefined && check === checkOf(secret);
}

/** What is kept of a token. Its 256 random bits need no slow hash. */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
