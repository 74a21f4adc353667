import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { VFolderClient } from '../../client/client.ts';
import type { Place } from '../../client/files.ts';
import { readContent } from './read-content.ts';

const bufferBytes = 1024 ** 2;

function toHex(sum: number): string {
  return sum.toString(16).padStart(8, '0');
}

/** CRC-32 of a file of this machine, in hex. */
export async function sumLocal(path: string, signal: AbortSignal): Promise<string> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(bufferBytes);
    let sum = 0;
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await file.read(buffer, 0, bufferBytes);
      if (bytesRead === 0) return toHex(sum);
      sum = crc32(buffer.subarray(0, bytesRead), sum);
    }
  } finally {
    await file.close();
  }
}

/** CRC-32 of a file in a folder, in hex, by reading all of it. */
export async function sumRemote(client: VFolderClient, place: Place, signal: AbortSignal): Promise<string> {
  let sum = 0;
  for await (const { offset, bytes } of readContent(client, place, { signal })) {
    // A content that changed meanwhile begins anew.
    sum = crc32(bytes, offset === 0 ? 0 : sum);
  }
  return toHex(sum);
}
