import type { ServerResponse } from 'node:http';
import { bytesTaken, guardRate, type Pace, type UnsentBytes, usualPace } from './rate-guard.ts';

/** An answer that somebody reads. */
export interface ReadAnswer {
  /** Its head has been written. */
  readonly outgoing: ServerResponse;
  /** Cuts the answer when aborted. */
  readonly signal: AbortSignal;
  /** Tells what the kernel still holds of what was written. */
  readonly unsentBytes?: UnsentBytes | undefined;
  /** Default: 1 KiB/s over 30 s. */
  readonly pace?: Pace;
}

/** A running watch; one thing is waited for at a time. Every wait ends with the reason of `signal` when that is aborted. */
export interface ReaderWatch {
  /** Aborted with the signal given, and when the reader is gone or slower than its pace. */
  readonly signal: AbortSignal;
  /** Waits for the reader: for `drain` of what was written, or for `finish`. */
  wait(event: 'drain' | 'finish'): Promise<void>;
  /** Writes and waits until the kernel has all of it; only then may `bytes` be written over. */
  write(bytes: Uint8Array): Promise<void>;
  /** Waits for work of ours, which is not held against the reader. */
  outlast<T>(work: Promise<T>): Promise<T>;
  /** Must be called. */
  end(): void;
}

interface Wait {
  readonly on: 'drain' | 'finish' | 'write' | 'work';
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Waits for events of `outgoing` with listeners that stay: made anew for each chunk they cost more than sending it. */
function awaitProgress(outgoing: ServerResponse, signal: AbortSignal) {
  let current: Wait | undefined;
  const settle = (event: Wait['on']) => () => {
    if (current?.on === event) current.resolve();
  };
  const listeners = { drain: settle('drain'), finish: settle('finish') };
  const onAbort = () => current?.reject(signal.reason);
  outgoing.on('drain', listeners.drain).on('finish', listeners.finish);
  signal.addEventListener('abort', onAbort);
  return {
    isPeerDue: () => current !== undefined && current.on !== 'work',
    async wait(on: Wait['on'], begin?: (wait: Wait) => void): Promise<void> {
      try {
        await new Promise<void>((resolve, reject) => {
          current = { on, resolve, reject };
          if (signal.aborted) reject(signal.reason);
          else begin?.(current);
        });
      } finally {
        current = undefined;
      }
    },
    end: () => {
      outgoing.off('drain', listeners.drain).off('finish', listeners.finish);
      signal.removeEventListener('abort', onAbort);
    },
  };
}

/** Watches whether the reader of an answer is still there and as fast as it has to be. */
export function watchReader({
  outgoing,
  signal: outer,
  unsentBytes,
  pace = usualPace,
}: ReadAnswer): ReaderWatch {
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
      isPeerDue: progress.isPeerDue,
      onTooSlow: () => leave('The reader is too slow.'),
    },
    pace,
  );
  return {
    signal,
    wait: (event) => progress.wait(event),
    write: (bytes) =>
      progress.wait('write', ({ resolve }) => {
        outgoing.write(bytes, (error) => (error ? onClose() : resolve()));
      }),
    async outlast(work) {
      await progress.wait('work', ({ resolve, reject }) => void work.then(() => resolve(), reject));
      return work;
    },
    end: () => {
      stopGuard();
      progress.end();
      outgoing.off('close', onClose);
    },
  };
}
