import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';

/** Writes to a sink in step with it, and knows how much. Not for concurrent use. */
export interface Output {
  /** Bytes written so far. */
  readonly offset: number;
  /** Aborted when the work is, and when the sink closes before it was ended. */
  readonly signal: AbortSignal;
  /** @throws the signal's reason */
  write(chunk: Uint8Array): Promise<void>;
  /** Ends the sink and waits until it has taken everything. */
  end(): Promise<void>;
  /** Destroys the sink, so that its reader notices. */
  fail(error: unknown): void;
}

/** The writing end of `sink`, which nobody else writes to. */
export function openOutput(sink: Writable, outer?: AbortSignal): Output {
  const closed = new AbortController();
  const signal = outer === undefined ? closed.signal : AbortSignal.any([outer, closed.signal]);
  const leave = (error?: Error) => closed.abort(error ?? new Error('The sink was closed.'));
  let offset = 0;
  // The listener stays: an error may still come after the work has ended.
  sink.on('error', leave);
  sink.once('close', () => leave());
  if (sink.destroyed) leave();
  return {
    get offset() {
      return offset;
    },
    signal,
    async write(chunk) {
      signal.throwIfAborted();
      offset += chunk.byteLength;
      if (!sink.write(chunk)) await once(sink, 'drain', { signal });
    },
    async end() {
      signal.throwIfAborted();
      sink.end();
      await finished(sink, { readable: false, ...(outer === undefined ? {} : { signal: outer }) });
    },
    fail: (error) => {
      sink.destroy(error instanceof Error ? error : new Error('The archive failed.', { cause: error }));
    },
  };
}
