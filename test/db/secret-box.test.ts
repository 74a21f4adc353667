import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openSecretBox } from '../../db/secret-box.ts';
import { isDomainError } from '../../domain/errors.ts';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return isDomainError(error) ? error.code : String(error);
  }
  return 'none';
}

describe('openSecretBox', () => {
  const box = openSecretBox(randomBytes(32));

  it('opens what it sealed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (plain) => {
        expect(box.open(box.seal(plain))).toBe(plain);
      }),
    );
  });

  it('adds a nonce of 12 bytes and a tag of 16, and never seals alike', () => {
    const sealed = box.seal('secret');
    expect(sealed).toHaveLength(12 + 6 + 16);
    expect(box.seal('secret').equals(sealed)).toBe(false);
    expect(sealed.includes('secret')).toBe(false);
  });

  it('refuses every change of a single bit', () => {
    const sealed = box.seal('secret');
    for (const index of sealed.keys()) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(sealed.readUInt8(index) ^ 1, index);
      expect(codeOf(() => box.open(changed))).toBe('internal');
    }
  });

  it('refuses bytes of every shorter length', () => {
    const sealed = box.seal('secret');
    for (let length = 0; length < sealed.length; length += 1) {
      expect(codeOf(() => box.open(sealed.subarray(0, length)))).toBe('internal');
    }
  });

  it('refuses what another key sealed', () => {
    expect(codeOf(() => openSecretBox(randomBytes(32)).open(box.seal('secret')))).toBe('internal');
  });

  it('refuses a key that is not 32 bytes long', () => {
    expect(codeOf(() => openSecretBox(randomBytes(31)))).toBe('internal');
  });
});
