import type { Duplex, Readable, Writable } from 'node:stream';

/** A transfer slower than this over a whole window is given up: 1 KiB/s over 30 s. */
const windowMs = 30_000;
const windowBytesMin = 30 * 1024;

/**
 * Destroys `stream` when fewer than 30 KiB moved in 30 s, so that trickling peers cannot hold sockets, files and
 * reservations for ever. `bytesMoved` is a running total.
 * @returns a function that ends the watch; it must be called
 */
export function guardRate(stream: Readable | Writable | Duplex, bytesMoved: () => number): () => void {
  let before = bytesMoved();
  const timer = setInterval(() => {
    const now = bytesMoved();
    if (now - before < windowBytesMin) stream.destroy();
    before = now;
  }, windowMs).unref();
  return () => clearInterval(timer);
}
