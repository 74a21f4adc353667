import { crc32 } from 'node:zlib';
import { readFully } from '../posix/handles/read-lent.ts';
import type { Done } from '../threads/serve-tasks.ts';
import { deflatePart } from './deflate.ts';
import type { PartPacked, PartTask } from './pack-tasks.ts';

/** In memory of its own, which alone can be given away. */
function alone(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  return buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length
    ? new Uint8Array(buffer)
    : new Uint8Array(bytes);
}

function packBytes(raw: Uint8Array, missingBytes: number): Done<PartPacked> {
  const deflated = deflatePart(raw);
  const bytes = alone(deflated ?? raw);
  const result: PartPacked = {
    kind: 'part',
    bytes,
    isDeflated: deflated !== null,
    crc32: crc32(raw),
    sizeBytes: raw.length,
    missingBytes,
  };
  return { result, transfer: [bytes.buffer] };
}

/** Reads and packs one part of a file. @throws the plain error of a system call when the volume fails */
export function packPart({ fd, position, length }: PartTask): Done<PartPacked> {
  const raw = Buffer.allocUnsafeSlow(length);
  const filled = readFully(fd, raw, position);
  raw.fill(0, filled);
  return packBytes(raw, length - filled);
}
