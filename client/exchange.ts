import { once } from 'node:events';
import {
  type ClientRequest,
  type IncomingMessage,
  request as openPlain,
  type RequestOptions,
} from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';

/** A request as it goes out, once. Without `bytes` it has no body. */
export interface Outgoing {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** Nobody may change them before the exchange has settled; they are not copied. */
  readonly bytes: Uint8Array | undefined;
  readonly signal: AbortSignal | undefined;
  /** Hears how many bytes were handed to the connection. */
  readonly onSent?: ((bytes: number) => void) | undefined;
}

/** The answer to a request, whatever its status, with its body unread. Whoever has it reads the body or discards it. */
export interface Reply {
  readonly url: URL;
  readonly status: number;
  /** Whether the status is 2xx. */
  readonly ok: boolean;
  /** By lower-case name; `null` when it is not there. */
  readonly headers: { get(name: string): string | null };
  /** Can be read once; ends with an error when the connection breaks before the body does. */
  readonly body: AsyncIterable<Uint8Array>;
  /** All of the body. */
  bytes(): Promise<Uint8Array>;
  /** All of the body, as UTF-8. */
  text(): Promise<string>;
  /** For a body that nobody wants. */
  discard(): void;
}

/** Bytes of a body that are handed over at a time: few enough to tell progress, and to hear of an early refusal. */
const sliceBytes = 256 * 1024;
const connectMsMax = 10_000;
/** The service sends or takes something more often, unless it is gone. */
const silenceMsMax = 300_000;
/** More than this is not read for the sake of the connection. */
const leftoverBytesMax = 64 * 1024;

function ignore(): void {
  // Whoever waits for the request or the body hears of it.
}

/** What makes a connection untrusted, by the code of its failure; such as `CERT_HAS_EXPIRED`. */
const distrusts = new WeakSet<Error>();

/** Whether `error` is that the certificate of the other end is not trusted. */
export function isDistrust(error: unknown): boolean {
  return error instanceof Error && distrusts.has(error);
}

function timedOut(what: string): Error {
  return Object.assign(new Error(what), { code: 'ETIMEDOUT' });
}

async function openRequest({ method, url, headers, bytes }: Outgoing): Promise<ClientRequest> {
  const mayHaveBody = method === 'POST' || method === 'PUT' || method === 'PATCH';
  const length = bytes?.byteLength ?? (mayHaveBody ? 0 : undefined);
  const options: RequestOptions = {
    method,
    headers: { ...headers, ...(length === undefined ? {} : { 'Content-Length': length }) },
    timeout: silenceMsMax,
  };
  if (url.protocol === 'http:') return openPlain(url, options);
  // TLS takes a while to load.
  const { request } = await import('node:https');
  return request(url, options);
}

/** Gives up a connection that does not come about, or over which nothing comes and goes any more. */
function watch(request: ClientRequest, url: URL): void {
  request.once('socket', (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => request.destroy(timedOut('No connection comes about.')), connectMsMax);
    socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => clearTimeout(timer));
    socket.once('close', () => clearTimeout(timer));
  });
  let answer: IncomingMessage | undefined;
  request.once('response', (message) => {
    answer = message;
  });
  request.on('timeout', () => {
    // A reader who takes long leaves bytes lying here; then it is not the service that is silent.
    if (answer === undefined || answer.readableLength === 0) request.destroy(timedOut('Nothing comes.'));
    else answer.socket.setTimeout(silenceMsMax);
  });
}

/** Sends the body slice by slice, each when the one before has left; an answer that comes before its end ends it. */
async function sendBody(request: ClientRequest, { bytes, onSent }: Outgoing): Promise<void> {
  if (bytes === undefined || bytes.byteLength === 0) {
    request.end();
    return;
  }
  let isOver = false;
  const over = new Promise<void>((resolve) => {
    const stop = () => {
      isOver = true;
      resolve();
    };
    request.once('response', stop).once('close', stop);
  });
  for (let at = 0; at < bytes.byteLength && !isOver; ) {
    const slice = bytes.subarray(at, at + sliceBytes);
    at += slice.byteLength;
    const isLast = at === bytes.byteLength;
    const taken = new Promise<void>((resolve) => {
      const count = (error?: Error | null) => {
        if (error === undefined || error === null) onSent?.(slice.byteLength);
        resolve();
      };
      if (isLast) request.end(slice, count);
      else request.write(slice, count);
    });
    await Promise.race([taken, over]);
    // What has come in is read before more is written: a refusal would be lost with a connection that a write finds closed.
    await turn();
  }
}

/** Resolves when nothing reads the bytes of the request any more. */
async function closed(request: ClientRequest): Promise<void> {
  if (request.closed) return;
  await new Promise<void>((resolve) => {
    request.once('close', resolve);
  });
}

async function* piecesOf(
  message: IncomingMessage,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    yield* message;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
  // One that is given up may seem to have ended.
  signal?.throwIfAborted();
}

/** Whether nothing follows the head (RFC 9112 §6.3). */
function isBodyless(method: string, { statusCode, headers }: IncomingMessage): boolean {
  const isEmpty = headers['content-length'] === '0';
  return method === 'HEAD' || statusCode === 204 || statusCode === 304 || isEmpty;
}

function replyOf(message: IncomingMessage, { url, signal }: Outgoing): Reply {
  const status = message.statusCode ?? 0;
  const headerOf = (name: string): string | null => {
    const value = message.headers[name];
    return Array.isArray(value) ? value.join(', ') : (value ?? null);
  };
  const body = piecesOf(message, signal);
  const bytes = async (): Promise<Uint8Array> => {
    const pieces: Uint8Array[] = [];
    for await (const piece of body) pieces.push(piece);
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  };
  return {
    url,
    status,
    ok: status >= 200 && status < 300,
    headers: { get: headerOf },
    body,
    bytes,
    text: async () => new TextDecoder().decode(await bytes()),
    discard: () => {
      const lengthBytes = Number(headerOf('content-length') ?? Number.NaN);
      if (lengthBytes <= leftoverBytesMax) message.resume();
      else if (!message.readableEnded) message.destroy();
    },
  };
}

/**
 * Sends one request over a connection that is kept for the next one, and resolves with the answer as soon as its head is there,
 * even if the body is not sent whole yet; the rest of it is then not sent. Redirects are answers like others. The process's
 * own options hold: `NODE_EXTRA_CA_CERTS`, and from Node 24 on `NODE_USE_ENV_PROXY`.
 * @throws the reason of `signal`, or what the system says of the connection
 */
export async function exchange(outgoing: Outgoing): Promise<Reply> {
  const { method, url, signal } = outgoing;
  signal?.throwIfAborted();
  const request = await openRequest(outgoing);
  const stop = () => request.destroy();
  signal?.addEventListener('abort', stop, { once: true });
  request.once('close', () => signal?.removeEventListener('abort', stop));
  watch(request, url);
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).on('error', (error) => {
      // Set by whoever verifies the certificate, whatever the reason.
      if (Reflect.get(Object(request.socket), 'authorizationError')) distrusts.add(error);
      reject(error);
    });
  });
  try {
    sendBody(request, outgoing).catch((error: Error) => request.destroy(error));
    const message = await answered;
    message.on('error', ignore);
    // A connection over which only a part of the body went is of no use for another request.
    message.once('end', () => {
      if (!request.writableEnded) request.destroy();
    });
    // Then the connection is free for the next request by the time that this one is answered.
    if (isBodyless(method, message)) await once(message.resume(), 'close');
    return replyOf(message, outgoing);
  } catch (error) {
    request.destroy();
    await closed(request);
    signal?.throwIfAborted();
    throw error;
  }
}
