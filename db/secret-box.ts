/** Seals secrets for storage with AES-256-GCM. */
export interface SecretBox {
  seal(plain: string): Buffer;
  /** @throws internal when the bytes were sealed with another key or changed */
  open(sealed: Buffer): string;
}
