import type { Readable } from 'node:stream';
import type { UploadSource } from '../../client/uploads.ts';

/**
 * A stream as something that can be read from anywhere: it keeps what was read last until something behind it is asked
 * for, which is as far back as a resumable upload ever goes.
 */
export function streamSource(stream: Readable): UploadSource {
  const chunks: AsyncIterator<Uint8Array> = stream[Symbol.asyncIterator]();
  let kept = Buffer.alloc(0);
  let base = 0;
  let isOver = false;
  return {
    sizeBytes: undefined,
    read: async (offset, length) => {
      if (offset < base || offset > base + kept.byteLength)
        throw new Error('That part of the stream is gone.');
      const parts = [kept.subarray(offset - base)];
      let have = parts[0]?.byteLength ?? 0;
      while (have < length && !isOver) {
        const { done, value } = await chunks.next();
        if (done === true) isOver = true;
        else {
          parts.push(Buffer.from(value));
          have += value.byteLength;
        }
      }
      kept = Buffer.concat(parts);
      base = offset;
      return kept.subarray(0, length);
    },
  };
}
