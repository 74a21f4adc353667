import { randomBytes, randomInt } from 'node:crypto';
import { expect, it } from 'vitest';
import { startGathering } from '../../../api/http/gather.ts';

it('gives back what was added, whatever the pieces', () => {
  const sent = randomBytes(100_000);
  const gathering = startGathering();
  for (let offset = 0; offset < sent.length; ) {
    const end = Math.min(sent.length, offset + randomInt(0, 3_000));
    gathering.add(sent.subarray(offset, end));
    offset = end;
  }
  expect(gathering.sizeBytes).toBe(sent.length);
  expect(gathering.bytes().equals(sent)).toBe(true);
});

it('is empty when nothing was added', () => {
  expect(startGathering().bytes()).toEqual(Buffer.alloc(0));
});

it('keeps a body of single bytes in a small multiple of its size', () => {
  const sizeBytes = 1024 ** 2;
  const gathering = startGathering();
  for (let index = 0; index < sizeBytes; index += 1) gathering.add(Uint8Array.of(index % 256));
  const held = gathering.bytes();
  expect(held.length).toBe(sizeBytes);
  expect(held.buffer.byteLength).toBeLessThanOrEqual(2 * sizeBytes);
});
