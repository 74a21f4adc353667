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
  /**
   * Writes chunks that `make` fills into buffers of `bufferBytes`, one after the other: always the same buffer where the sink
   * tells that it has let go of it.
   * @throws the signal's reason
   */
  writeMade(bufferBytes: number, make: (nextBuffer: () => Buffer) => Iterable<Uint8Array>): Promise<void>;
  /** Ends the sink and waits until it has taken everything. */
  end(): Promise<void>;
  /** Destroys the sink, so that its reader notices. */
  fail(error: unknown): void;
}

/** What to write to. */
export interface OutputOptions {
  readonly sink: Writable;
  readonly signal?: AbortSignal | undefined;
  /** See `ArchiveOrder.flushSink`. */
  readonly flushSink?: (() => Promise<void>) | undefined;
}

function taken(sink: Writable, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    sink.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

/** Leaves work that hangs as soon as it is aborted. */
async function unlessAborted(signal: AbortSignal, work: Promise<void>): Promise<void> {
  const done = new AbortController();
  const aborted = once(signal, 'abort', { signal: done.signal }).then(() => signal.throwIfAborted());
  try {
    await Promise.race([work, aborted]);
  } finally {
    aborted.catch(() => undefined);
    work.catch(() => undefined);
    done.abort();
  }
}

/** The writing end of `sink`, which nobody else writes to. */
export function openOutput({ sink, signal: outer, flushSink }: OutputOptions): Output {
  const closed = new AbortController();
  const signal = outer === undefined ? closed.signal : AbortSignal.any([outer, closed.signal]);
  const leave = (error?: Error) => closed.abort(error ?? new Error('The sink was closed.'));
  let offset = 0;
  // The listener stays: an error may still come after the work has ended.
  sink.on('error', leave);
  sink.once('close', () => leave());
  if (sink.destroyed) leave();
  const write = async (chunk: Uint8Array): Promise<void> => {
    signal.throwIfAborted();
    offset += chunk.byteLength;
    if (!sink.write(chunk)) await once(sink, 'drain', { signal });
  };
  return {
    get offset() {
      return offset;
    },
    signal,
    write,
    async writeMade(bufferBytes, make) {
      if (flushSink === undefined) {
        for (const chunk of make(() => Buffer.allocUnsafeSlow(bufferBytes))) await write(chunk);
        return;
      }
      const buffer = Buffer.allocUnsafeSlow(bufferBytes);
      for (const chunk of make(() => buffer)) {
        signal.throwIfAborted();
        offset += chunk.byteLength;
        await unlessAborted(signal, taken(sink, chunk).then(flushSink));
      }
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
