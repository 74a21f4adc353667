import { randomBytes } from 'node:crypto';
import { type OutgoingHttpHeaders, request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const block = randomBytes(256 * 1024);

/** So many bytes that do not compress, made of one block in memory, with something before and after them. */
export function bytesOf(
  sizeBytes: number,
  { head, tail }: { readonly head?: Uint8Array; readonly tail?: Uint8Array } = {},
): Readable {
  let left = sizeBytes;
  const heads = head === undefined ? [] : [head];
  const tails = tail === undefined ? [] : [tail];
  return new Readable({
    highWaterMark: block.length,
    read() {
      const around = heads.shift() ?? (left === 0 ? (tails.shift() ?? null) : undefined);
      if (around !== undefined) {
        this.push(around);
        return;
      }
      const size = Math.min(left, block.length);
      left -= size;
      this.push(size === block.length ? block : block.subarray(0, size));
    },
  });
}

/** Sends a body as a stream. @returns milliseconds until the answer was complete @throws unless it is 2xx */
export async function sendStream(options: {
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Readable;
}): Promise<number> {
  const { port, method, path, headers, body } = options;
  const startedAt = performance.now();
  const outgoing = request({ host: '127.0.0.1', port, method, path, headers, agent: false });
  const answered = new Promise<void>((resolve, reject) => {
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      let text = '';
      incoming.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      incoming.on('end', () => {
        const isFine = incoming.statusCode !== undefined && incoming.statusCode < 300;
        if (isFine) resolve();
        else reject(new Error(`${method} ${path} answers ${incoming.statusCode}: ${text}`));
      });
    });
  });
  await Promise.all([pipeline(body, outgoing), answered]);
  return performance.now() - startedAt;
}

/** Reads an answer and throws its bytes away. @returns milliseconds, and how many bytes there were */
export function receiveStream(options: {
  readonly port: number;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
}): Promise<{ readonly ms: number; readonly sizeBytes: number }> {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', method: 'GET', agent: false, ...options }, (incoming) => {
      let sizeBytes = 0;
      incoming.on('data', (chunk: Buffer) => {
        sizeBytes += chunk.length;
      });
      incoming.on('error', reject);
      incoming.on('end', () => resolve({ ms: performance.now() - startedAt, sizeBytes }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}
