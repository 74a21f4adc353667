import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { addAbortSignal, type Readable } from 'node:stream';

/** What a reader must keep up with. */
export interface Pace {
  /** A reader that takes nothing at all for this long is cut. */
  readonly stallMsMax: number;
  /** The slowest reader that is served, over any `stallMsMax`. */
  readonly bytesPerSecondMin: number;
}

const usualPace: Pace = { stallMsMax: 30_000, bytesPerSecondMin: 1024 };
/** A reader that needs longer than this for one write gets smaller ones, so that its pace can be told. */
const slowWriteMs = 1_000;
const slowWriteBytes = 32 * 1024;

/** A body to send. */
export interface BodyToSend {
  readonly source: Readable;
  /** Its head has been written. */
  readonly outgoing: ServerResponse;
  /** Cuts the answer when aborted. */
  readonly signal: AbortSignal;
  /** What the head promised; a body of another length is cut, not ended. Undefined for chunked answers. */
  readonly sizeBytes?: number;
  /** Default: 1 KiB/s over 30 s. */
  readonly pace?: Pace;
}

/** `signal` ends with `outer`, and when the reader is gone, has stalled, or is slower than 1 KiB/s. */
function watchReader(outgoing: ServerResponse, outer: AbortSignal, pace: Pace) {
  const gone = new AbortController();
  const signal = AbortSignal.any([outer, gone.signal]);
  const leave = (why: string) => gone.abort(new Error(why));
  let isWaiting = false;
  const onClose = () => leave('The reader went away.');
  outgoing.once('close', onClose);
  // The socket's own timer looks at what the kernel still has to take, so a slow reader does not count as a dead one.
  outgoing.setTimeout(pace.stallMsMax, () => {
    if (isWaiting) leave('The reader has stalled.');
  });
  return {
    signal,
    /** Waits for `event` ('drain' or 'finish') of a write of `bytes`; answers how long that took. */
    async wait(event: 'drain' | 'finish', bytes: number): Promise<number> {
      const startedAt = performance.now();
      const graceMs = Math.max(pace.stallMsMax, (bytes / pace.bytesPerSecondMin) * 1000);
      const deadline = setTimeout(() => leave('The reader is too slow.'), graceMs);
      isWaiting = true;
      try {
        await once(outgoing, event, { signal });
      } finally {
        isWaiting = false;
        clearTimeout(deadline);
      }
      return performance.now() - startedAt;
    },
    // The server sets the socket's timer anew for the next request.
    end: () => outgoing.off('close', onClose),
  };
}

async function pump(
  { source, outgoing }: BodyToSend,
  reader: ReturnType<typeof watchReader>,
): Promise<number> {
  let sent = 0;
  let sliceBytes = Number.POSITIVE_INFINITY;
  for await (const chunk of source) {
    const bytes: Uint8Array = chunk;
    let offset = 0;
    while (offset < bytes.byteLength) {
      const slice = sliceBytes < bytes.byteLength ? bytes.subarray(offset, offset + sliceBytes) : bytes;
      offset += slice.byteLength;
      if (outgoing.write(slice)) continue;
      const tookMs = await reader.wait('drain', slice.byteLength);
      sliceBytes = tookMs > slowWriteMs ? slowWriteBytes : Number.POSITIVE_INFINITY;
    }
    sent += bytes.byteLength;
  }
  return sent;
}

/**
 * Sends a body to the raw socket in step with its reader and ends the answer. An answer that cannot be completed is
 * cut: the connection is destroyed, never ended as if whole. Readers below 1 KiB/s are cut within some minutes, ones
 * that take nothing within a minute. `source` is always destroyed at the end.
 * @returns whether the whole body was handed over; false when the reader or `signal` ended it
 * @throws what the source fails with, after cutting; and when the source has another length than promised
 */
export async function sendBody(body: BodyToSend): Promise<boolean> {
  const { source, outgoing, sizeBytes } = body;
  const reader = watchReader(outgoing, body.signal, body.pace ?? usualPace);
  // The loop of `pump` sees the error; without a listener it would end the process when nobody is iterating.
  source.on('error', () => undefined);
  addAbortSignal(reader.signal, source);
  try {
    reader.signal.throwIfAborted();
    const sent = await pump(body, reader);
    if (sizeBytes !== undefined && sent !== sizeBytes)
      throw new Error('The content has another length than promised.');
    outgoing.end();
    if (!outgoing.writableFinished) await reader.wait('finish', outgoing.writableLength);
    return true;
  } catch (error) {
    outgoing.destroy();
    if (reader.signal.aborted) return false;
    throw error;
  } finally {
    reader.end();
    source.destroy();
  }
}
