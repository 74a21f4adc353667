import { randomBytes, randomInt } from 'node:crypto';
import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { streamSource } from '../../client/stream-source.ts';

/** Some bytes, and a stream that brings them in pieces of all lengths, a few of them empty. */
function someStream(size: number): { readonly content: Buffer; readonly stream: Readable } {
  const content = randomBytes(size);
  const pieces: Buffer[] = [];
  for (let at = 0; at < size; ) {
    const length = randomInt(0, 40);
    pieces.push(content.subarray(at, at + length));
    at += length;
  }
  return { content, stream: Readable.from(pieces, { objectMode: true }) };
}

describe('streamSource', () => {
  it('reads one piece after the other into the same memory, and a short one only at the end', async () => {
    const { content, stream } = someStream(1_000);
    const source = streamSource(stream);
    const buffers = new Set<ArrayBufferLike>();
    const lengths: number[] = [];
    for (let offset = 0; ; ) {
      const bytes = await source.read(offset, 300);
      expect(content.subarray(offset, offset + 300).equals(bytes)).toBe(true);
      buffers.add(bytes.buffer);
      lengths.push(bytes.byteLength);
      offset += bytes.byteLength;
      if (bytes.byteLength < 300) break;
    }
    expect(lengths).toEqual([300, 300, 300, 100]);
    expect(buffers.size).toBe(1);
  });

  it('reads the last piece again, from anywhere in it, and fills it up with what follows', async () => {
    const { content, stream } = someStream(1_000);
    const source = streamSource(stream);
    await source.read(0, 200);
    expect(content.subarray(0, 200).equals(await source.read(0, 200))).toBe(true);
    expect(content.subarray(150, 350).equals(await source.read(150, 200))).toBe(true);
    expect(content.subarray(349, 549).equals(await source.read(349, 200))).toBe(true);
    expect(content.subarray(549, 1_000).equals(await source.read(549, 600))).toBe(true);
    expect((await source.read(1_000, 200)).byteLength).toBe(0);
    expect((await source.read(1_000, 200)).byteLength).toBe(0);
  });

  it('frees what it has taken, and ends well after the last of it was freed', async () => {
    const pieces = Array.from({ length: 4 }, (_, index) => Buffer.allocUnsafeSlow(65_536).fill(index));
    const source = streamSource(Readable.from(pieces, { objectMode: true }));
    const first = await source.read(0, 100_000);
    expect([first[0], first[65_536]]).toEqual([0, 1]);
    expect(pieces[0]?.byteLength).toBe(0);
    const rest = await source.read(100_000, 200_000);
    expect([rest.byteLength, rest[0], rest.at(-1)]).toEqual([4 * 65_536 - 100_000, 1, 3]);
    expect(pieces.map((piece) => piece.byteLength)).toEqual([0, 0, 0, 0]);
    expect((await source.read(4 * 65_536, 10)).byteLength).toBe(0);
  });

  it('refuses what it keeps no more, and what is not there yet', async () => {
    const source = streamSource(someStream(1_000).stream);
    await source.read(0, 200);
    await source.read(200, 200);
    await expect(source.read(199, 200)).rejects.toThrow('gone');
    await expect(source.read(401, 200)).rejects.toThrow('gone');
  });

  it('fails as the stream does', async () => {
    const stream = Readable.from(
      (async function* () {
        yield Buffer.from('abc');
        throw new Error('The pipe broke.');
      })(),
    );
    await expect(streamSource(stream).read(0, 10)).rejects.toThrow('The pipe broke.');
  });

  it('of nothing is nothing', async () => {
    expect((await streamSource(Readable.from([])).read(0, 10)).byteLength).toBe(0);
  });
});
