import type { IncomingMessage } from 'node:http';
import { domainError, isDomainError } from '../../domain/errors.ts';
import { bodyFailureOf } from './body-failure.ts';
import { bodyGarbage } from './body-garbage.ts';

/** What is read ahead of whoever takes the chunks: stopping and starting the socket for each costs more than the read. */
const aheadBytesMax = 1024 ** 2;
/** Chunks read ahead at most, for a sender of single bytes. */
const aheadChunksMax = 512;

/** The chunks of a body that came and were not taken yet. */
interface Ahead {
  readonly chunks: Buffer[];
  bytes: number;
}

function isFull({ chunks, bytes }: Ahead): boolean {
  return bytes >= aheadBytesMax || chunks.length >= aheadChunksMax;
}

function broken(cause: unknown): Error {
  if (isDomainError(cause)) return cause;
  return domainError('upload_aborted', 'The connection closed before the body was complete.', { cause });
}

function earlierFailure(incoming: IncomingMessage): Error | undefined {
  if (incoming.destroyed && !incoming.readableEnded) return bodyFailureOf(incoming) ?? broken(undefined);
  return bodyFailureOf(incoming);
}

/** Takes the first of the chunks that came. */
function shift(ahead: Ahead): Buffer | undefined {
  const chunk = ahead.chunks.shift();
  ahead.bytes -= chunk?.byteLength ?? 0;
  return chunk;
}

/**
 * The bytes of a raw body as they arrive, one socket read at a time, each in memory of its own, which whoever takes it may free. At most 1 MiB is read ahead, then the body is
 * paused; leaving early leaves the connection open for the answer, and what follows unread.
 * @throws upload_aborted, once all that came is handed out; at once what the body was failed with
 */
export async function* readChunks(incoming: IncomingMessage): AsyncGenerator<Buffer> {
  const ahead: Ahead = { chunks: [], bytes: 0 };
  let failure: unknown = earlierFailure(incoming);
  let isOver = incoming.complete && incoming.readableLength === 0;
  let wake = (): void => undefined;
  const fail = (cause?: unknown) => {
    failure ??= broken(cause);
    // Who fails a body wants no more of it, such as one that somebody else goes on with.
    if (isDomainError(cause)) ahead.chunks.length = 0;
    wake();
  };
  const listeners = {
    data: (chunk: Buffer) => {
      ahead.chunks.push(chunk);
      ahead.bytes += chunk.byteLength;
      bodyGarbage.note(chunk.byteLength);
      if (isFull(ahead)) incoming.pause();
      wake();
    },
    end: () => {
      isOver = true;
      wake();
    },
    error: fail,
    close: () => {
      if (!incoming.readableEnded) fail();
    },
  };
  for (const [event, listener] of Object.entries(listeners)) incoming.on(event, listener);
  try {
    for (;;) {
      const chunk = shift(ahead);
      if (chunk !== undefined) yield chunk;
      else if (failure !== undefined) throw failure;
      else if (isOver) return;
      else {
        const arrival = new Promise<void>((resolve) => {
          wake = resolve;
        });
        incoming.resume();
        await arrival;
      }
    }
  } finally {
    incoming.pause();
    for (const [event, listener] of Object.entries(listeners)) incoming.off(event, listener);
  }
}
