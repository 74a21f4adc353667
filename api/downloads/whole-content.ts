import { domainError } from '../../domain/errors.ts';
import type { OpenFile } from '../../storage/volume.ts';

/**
 * The bytes of an open file, as many as it had when it was opened. The caller closes the file.
 * @throws entry_changed when it became shorter meanwhile, so that what is sent is never taken for whole
 */
export async function* wholeContent(file: OpenFile): AsyncGenerator<Uint8Array> {
  const { sizeBytes } = file.stat;
  let sent = 0;
  if (sizeBytes > 0) {
    for await (const chunk of file.stream({ start: 0, end: sizeBytes - 1 })) {
      const bytes: Uint8Array = chunk;
      sent += bytes.byteLength;
      yield bytes;
    }
  }
  if (sent !== sizeBytes) throw domainError('entry_changed', 'The file became shorter while it was read.');
}
