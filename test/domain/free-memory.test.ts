import { describe, expect, it } from 'vitest';
import { freeMemory } from '../../domain/free-memory.ts';

const mib = 1024 ** 2;

describe('freeMemory', () => {
  it('frees the memory of a chunk that is all there is in it', () => {
    const before = process.memoryUsage().arrayBuffers;
    const chunk = Buffer.allocUnsafeSlow(64 * mib);
    expect(process.memoryUsage().arrayBuffers - before).toBeGreaterThan(60 * mib);
    expect(freeMemory(chunk)).toBe(64 * mib);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * mib);
    expect(chunk.byteLength).toBe(0);
  });

  it.each([
    { what: 'a part of what is in memory', make: () => Buffer.alloc(mib, 7).subarray(1) },
    { what: 'a small one, which may lie beside others', make: () => Buffer.from('a'.repeat(1_000)) },
    { what: 'one that several threads have', make: () => new Uint8Array(new SharedArrayBuffer(mib)).fill(7) },
  ])('leaves $what as it is', ({ make }) => {
    const chunk = make();
    const copy = Buffer.from(chunk);
    expect(freeMemory(chunk)).toBe(0);
    expect(copy.equals(chunk)).toBe(true);
  });

  it('may be told twice', () => {
    const chunk = Buffer.allocUnsafeSlow(mib);
    expect([freeMemory(chunk), freeMemory(chunk)]).toEqual([mib, 0]);
    expect(chunk.byteLength).toBe(0);
  });
});
