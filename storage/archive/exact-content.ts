import { Readable } from 'node:stream';
import type { OpenFile } from '../volume.ts';

const zeros = Buffer.alloc(64 * 1024);
const readAheadBytes = 256 * 1024;

/** What is told of content on its way; `onShort` when the file ended early and zeros take the place of the rest. */
export interface ContentHooks {
  onBytes(count: number): void;
  onShort(): void;
}

async function* exactBytes(
  file: OpenFile,
  sizeBytes: number,
  hooks: ContentHooks,
): AsyncGenerator<Uint8Array> {
  let sent = 0;
  if (sizeBytes > 0) {
    for await (const chunk of file.stream({ start: 0, end: sizeBytes - 1 })) {
      const bytes: Uint8Array = chunk;
      sent += bytes.byteLength;
      hooks.onBytes(bytes.byteLength);
      yield bytes;
    }
  }
  if (sent < sizeBytes) hooks.onShort();
  while (sent < sizeBytes) {
    const padding = zeros.subarray(0, Math.min(zeros.length, sizeBytes - sent));
    sent += padding.length;
    yield padding;
  }
}

/**
 * A stream of exactly `sizeBytes` bytes of an open file whatever becomes of it meanwhile: growth is cut off, a shrunk
 * file is filled up with zeros. The header in front of the content stays true. The caller closes the file.
 */
export function exactContent(file: OpenFile, sizeBytes: number, hooks: ContentHooks): Readable {
  return Readable.from(exactBytes(file, sizeBytes, hooks), {
    objectMode: false,
    highWaterMark: readAheadBytes,
  });
}

/** As {@link exactContent}, gathered; for small files, where a stream costs more than the bytes. */
export async function exactBuffer(file: OpenFile, sizeBytes: number, hooks: ContentHooks): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of exactBytes(file, sizeBytes, hooks)) chunks.push(chunk);
  return Buffer.concat(chunks, sizeBytes);
}
