import { addAbortSignal, type Readable } from 'node:stream';
import { sendToReader } from './send-to-reader.ts';
import type { ReadAnswer, ReaderWatch } from './watch-reader.ts';

/** A body to send. */
export interface BodyToSend extends ReadAnswer {
  readonly source: Readable;
  /** What the head promised; a body of another length is cut, not ended. Undefined for chunked answers. */
  readonly sizeBytes?: number;
}

async function pump({ source, outgoing }: BodyToSend, reader: ReaderWatch): Promise<number> {
  let sent = 0;
  for await (const chunk of source) {
    const bytes: Uint8Array = chunk;
    if (!outgoing.write(bytes)) await reader.wait('drain');
    sent += bytes.byteLength;
  }
  return sent;
}

/**
 * Sends a body to the raw socket in step with its reader and ends the answer. An answer that cannot be completed is
 * cut: the connection is destroyed, never ended as if whole. Readers that take less than 30 KiB of what waits for them in
 * 30 s are cut some seconds later. `source` is always destroyed at the end.
 * @returns whether the whole body was handed over; false when the reader or `signal` ended it
 * @throws what the source fails with, after cutting; and when the source has another length than promised
 */
export async function sendBody(body: BodyToSend): Promise<boolean> {
  const { source, sizeBytes } = body;
  // The loop of `pump` sees the error; without a listener it would end the process when nobody is iterating.
  source.on('error', () => undefined);
  try {
    return await sendToReader(body, async (reader) => {
      addAbortSignal(reader.signal, source);
      const sent = await pump(body, reader);
      if (sizeBytes !== undefined && sent !== sizeBytes)
        throw new Error('The content has another length than promised.');
    });
  } finally {
    source.destroy();
  }
}
