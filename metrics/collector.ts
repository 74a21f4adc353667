import { setTimeout as delay } from 'node:timers/promises';

/** A figure that has to be asked for. */
export interface Source<T> {
  /** An answer serves everybody who asks within this time. */
  readonly freshMs: number;
  /** Whoever asks waits no longer than this. */
  readonly deadlineMs: number;
  load(): Promise<T>;
}

/**
 * Makes the reader of a source: one question at a time, however many ask and however often. `undefined` when the source
 * fails or is late; a late answer serves those who come next. A failure is remembered as long as an answer, so that a part
 * in trouble is not asked more often than one that is well.
 */
export function readerOf<T>(source: Source<T>): () => Promise<T | undefined> {
  let running: Promise<T | undefined> | undefined;
  let latest: { readonly at: number; readonly value: T | undefined } | undefined;
  const ask = async () => {
    const value = await source.load().catch(() => undefined);
    latest = { at: performance.now(), value };
    running = undefined;
    return value;
  };
  return async () => {
    if (latest !== undefined && performance.now() - latest.at < source.freshMs) return latest.value;
    running ??= ask();
    const given = new AbortController();
    const late = delay(source.deadlineMs, undefined, { signal: given.signal }).catch(() => undefined);
    try {
      return await Promise.race([running, late]);
    } finally {
      given.abort();
    }
  };
}
