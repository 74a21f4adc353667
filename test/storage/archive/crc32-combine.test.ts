import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { combineCrc32 } from '../../../storage/archive/crc32-combine.ts';

it('gives the checksum of two byte sequences in a row from their own', () => {
  const bytes = fc.uint8Array({ maxLength: 5000 });
  fc.assert(
    fc.property(bytes, bytes, (first, second) => {
      const whole = crc32(Buffer.concat([first, second]));
      expect(combineCrc32(crc32(first), crc32(second), second.length)).toBe(whole);
    }),
  );
});

it('holds for lengths beyond 32 bits', () => {
  const mebibyte = Buffer.alloc(1024 * 1024);
  let sum = crc32(mebibyte);
  let length = mebibyte.length;
  // Doubling: 2^33 zero bytes are what 2^13 times the mebibyte are.
  for (let step = 0; step < 13; step += 1) {
    sum = combineCrc32(sum, sum, length);
    length *= 2;
  }
  let slow = 0;
  for (let step = 0; step < 2 ** 13; step += 1) slow = crc32(mebibyte, slow);
  expect(sum).toBe(slow);
});
