import type { ServerResponse } from 'node:http';
import { addAbortSignal, type Readable } from 'node:stream';
import { bytesTaken, guardRate, type Pace, type UnsentBytes, usualPace } from './rate-guard.ts';

/** A body to send. */
export interface BodyToSend {
  readonly source: Readable;
  /** Its head has been written. */
  readonly outgoing: ServerResponse;
  /** Cuts the answer when aborted. */
  readonly signal: AbortSignal;
  /** What the head promised; a body of another length is cut, not ended. Undefined for chunked answers. */
  readonly sizeBytes?: number;
  /** Tells what the kernel still holds of what was written. */
  readonly unsentBytes?: UnsentBytes | undefined;
  /** Default: 1 KiB/s over 30 s. */
  readonly pace?: Pace;
}

type Progress = 'drain' | 'finish';

/** Waits for events of `outgoing` with listeners that stay: made anew for each chunk they cost more than sending it. */
function awaitProgress(outgoing: ServerResponse, signal: AbortSignal) {
  let awaited: { event: Progress; resolve: () => void; reject: (reason: unknown) => void } | undefined;
  const on = (event: Progress) => () => {
    if (awaited?.event === event) awaited.resolve();
  };
  const listeners = { drain: on('drain'), finish: on('finish') };
  const onAbort = () => awaited?.reject(signal.reason);
  outgoing.on('drain', listeners.drain).on('finish', listeners.finish);
  signal.addEventListener('abort', onAbort);
  return {
    isWaiting: () => awaited !== undefined,
    async wait(event: Progress): Promise<void> {
      try {
        await new Promise<void>((resolve, reject) => {
          if (signal.aborted) reject(signal.reason);
          awaited = { event, resolve, reject };
        });
      } finally {
        awaited = undefined;
      }
    },
    end: () => {
      outgoing.off('drain', listeners.drain).off('finish', listeners.finish);
      signal.removeEventListener('abort', onAbort);
    },
  };
}

/** `signal` ends with `outer`, and when the reader is gone or slower than its pace. */
function watchReader({ outgoing, signal: outer, unsentBytes, pace = usualPace }: BodyToSend) {
  const gone = new AbortController();
  const signal = AbortSignal.any([outer, gone.signal]);
  const leave = (why: string) => gone.abort(new Error(why));
  const onClose = () => leave('The reader went away.');
  outgoing.once('close', onClose);
  const progress = awaitProgress(outgoing, signal);
  const { socket } = outgoing.req;
  const stopGuard = guardRate(
    {
      bytesMoved: () => bytesTaken(socket),
      bytesOnTheWay: async () => unsentBytes?.(socket),
      isPeerDue: progress.isWaiting,
      onTooSlow: () => leave('The reader is too slow.'),
    },
    pace,
  );
  return {
    signal,
    /** Waits for the reader: for `drain` of what was written, or for `finish`. */
    wait: progress.wait,
    end: () => {
      stopGuard();
      progress.end();
      outgoing.off('close', onClose);
    },
  };
}

async function pump(
  { source, outgoing }: BodyToSend,
  reader: ReturnType<typeof watchReader>,
): Promise<number> {
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
  const { source, outgoing, sizeBytes } = body;
  const reader = watchReader(body);
  // The loop of `pump` sees the error; without a listener it would end the process when nobody is iterating.
  source.on('error', () => undefined);
  addAbortSignal(reader.signal, source);
  try {
    reader.signal.throwIfAborted();
    const sent = await pump(body, reader);
    if (sizeBytes !== undefined && sent !== sizeBytes)
      throw new Error('The content has another length than promised.');
    outgoing.end();
    if (!outgoing.writableFinished) await reader.wait('finish');
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
