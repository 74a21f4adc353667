import type { Readable } from 'node:stream';
import { freeMemory } from '../domain/free-memory.ts';
import type { UploadSource } from './uploads.ts';

const nothing = Buffer.alloc(0);

/**
 * A stream as something that can be read from anywhere: it keeps what was read last until something behind it is asked
 * for, which is as far back as a resumable upload ever goes. All of it goes into one block as long as the longest piece,
 * again and again; beyond that, memory holds what the stream itself keeps ready. What the stream hands out is freed once it is in the block.
 */
export function streamSource(stream: Readable): UploadSource {
  const chunks: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
  let block = nothing;
  /** Where in the stream the block begins, and how much of it is filled. */
  let base = 0;
  let filled = 0;
  /** What was read last, and what of it is not in a block yet. */
  let piece: Uint8Array = nothing;
  let left = piece;
  let isOver = false;

  const begin = (offset: number, length: number): void => {
    const kept = block.subarray(offset - base, filled);
    if (block.byteLength < length) block = Buffer.allocUnsafeSlow(length);
    block.set(kept);
    filled = kept.byteLength;
    base = offset;
  };
  const fill = async (length: number): Promise<void> => {
    while (filled < length && !isOver) {
      if (left.byteLength === 0) {
        freeMemory(piece);
        const { done, value } = await chunks.next();
        piece = done === true ? nothing : value;
        left = piece;
        isOver = done === true;
      }
      const taken = left.subarray(0, length - filled);
      block.set(taken, filled);
      filled += taken.byteLength;
      left = left.subarray(taken.byteLength);
    }
  };
  return {
    sizeBytes: undefined,
    read: async (offset, length) => {
      if (offset < base || offset > base + filled) throw new Error('That part of the stream is gone.');
      begin(offset, length);
      await fill(length);
      return block.subarray(0, Math.min(filled, length));
    },
  };
}
