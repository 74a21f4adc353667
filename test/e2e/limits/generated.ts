import { createHash, randomBytes } from 'node:crypto';
import type { StreamedPart } from '../support/multipart.ts';

const blockBytes = 1024 * 1024;

/** A long file that is made while it is read, and its digest once it was. */
export interface GeneratedFile {
  readonly part: StreamedPart;
  /** SHA-256 in hex; only after the source was read to its end. */
  digest(): string;
}

/** Makes a file of `sizeBytes` out of one random block, stamped with its position so that no two are equal. */
export function generateFile(fileName: string, sizeBytes: number): GeneratedFile {
  const hash = createHash('sha256');
  const random = randomBytes(blockBytes);
  function* generate(): Generator<Uint8Array> {
    for (let at = 0; at < sizeBytes; at += blockBytes) {
      // A copy, for the block before may still wait to be sent.
      const block = Buffer.from(random.subarray(0, Math.min(blockBytes, sizeBytes - at)));
      if (block.length >= 8) block.writeBigUInt64LE(BigInt(at));
      hash.update(block);
      yield block;
    }
  }
  return { part: { fileName, source: generate() }, digest: () => hash.digest('hex') };
}

/** Reads a stream to its end without keeping it. */
export async function digestOf(stream: AsyncIterable<Uint8Array>): Promise<{ sha256: string; size: number }> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of stream) {
    hash.update(chunk);
    size += chunk.byteLength;
  }
  return { sha256: hash.digest('hex'), size };
}
