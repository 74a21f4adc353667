import type { IncomingMessage } from 'node:http';
import { domainError, isDomainError } from '../../domain/errors.ts';
import { bodyFailureOf } from '../http/body-failure.ts';
import type { FilePart } from './multipart.ts';

function broken(cause: unknown) {
  if (isDomainError(cause)) return cause;
  return domainError('upload_aborted', 'The connection closed before the content was complete.', { cause });
}

/**
 * The bytes of a raw body as they arrive, one socket read at a time. Paused while nobody asks for more; leaving early
 * leaves the connection open for the answer. @throws upload_aborted, and what the body was failed with
 */
async function* readChunks(incoming: IncomingMessage): AsyncGenerator<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let failure: unknown = bodyFailureOf(incoming);
  let isOver = incoming.complete && incoming.readableLength === 0;
  let wake = (): void => undefined;
  const fail = (cause?: unknown) => {
    failure ??= broken(cause);
    wake();
  };
  const listeners = {
    data: (chunk: Uint8Array) => {
      chunks.push(chunk);
      incoming.pause();
      wake();
    },
    end: () => {
      isOver = true;
      wake();
    },
    error: fail,
    close: () => {
      if (!incoming.complete) fail();
    },
  };
  for (const [event, listener] of Object.entries(listeners)) incoming.on(event, listener);
  try {
    for (;;) {
      const chunk = chunks.shift();
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

/** A body that is one file as a whole, for `path`. */
export async function* readWholeFile(incoming: IncomingMessage, path: string): AsyncGenerator<FilePart> {
  yield { fileName: path, bytes: readChunks(incoming) };
}
