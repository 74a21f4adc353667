import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { domainError } from '../domain/errors.ts';

/** Seals secrets for storage with AES-256-GCM. */
export interface SecretBox {
  seal(plain: string): Buffer;
  /** @throws internal when the bytes were sealed with another key or changed */
  open(sealed: Buffer): string;
}

const algorithm = 'aes-256-gcm';
const keyBytes = 32;
/** 96 random bits per secret: NIST SP 800-38D §8.2.2 allows 2³² seals under one key. */
const nonceBytes = 12;
const tagBytes = 16;

/** Makes the box for a key of 32 bytes. What it seals is nonce, ciphertext and tag in this order. */
export function openSecretBox(key: Buffer): SecretBox {
  if (key.length !== keyBytes) throw domainError('internal', 'The encryption key must have 32 bytes.');
  return {
    seal: (plain) => {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
      const text = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, text, cipher.getAuthTag()]);
    },
    open: (sealed) => {
      try {
        const nonce = sealed.subarray(0, nonceBytes);
        const text = sealed.subarray(nonceBytes, -tagBytes);
        const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
        decipher.setAuthTag(sealed.subarray(-tagBytes));
        return Buffer.concat([decipher.update(text), decipher.final()]).toString('utf8');
      } catch (cause) {
        throw domainError('internal', 'A stored secret cannot be opened.', { cause });
      }
    },
  };
}
