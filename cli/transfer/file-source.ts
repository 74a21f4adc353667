import type { FileHandle } from 'node:fs/promises';
import type { UploadSource } from '../../client/uploads.ts';

/**
 * An open file as something that can be read from anywhere. What is read goes into the same memory again and again while one
 * piece follows the other: then the one before has arrived. After a failure its bytes may still be on their way, so new memory
 * is taken.
 */
export function fileSource(file: Pick<FileHandle, 'read'>, sizeBytes: number): UploadSource {
  let block = Buffer.alloc(0);
  let readTo = 0;
  return {
    sizeBytes,
    read: async (offset, length) => {
      if (offset !== readTo || block.byteLength < length) block = Buffer.allocUnsafeSlow(length);
      const bytes = block;
      let done = 0;
      while (done < length) {
        const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      readTo = offset + done;
      return bytes.subarray(0, done);
    },
  };
}
