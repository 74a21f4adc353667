import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Reply } from '../route.ts';
import { hasBody } from './body.ts';
import { bodyFailureOf } from './body-failure.ts';
import type { Exchange } from './exchange.ts';
import { publicPath } from './public-path.ts';
import { bytesTaken, guardRate } from './rate-guard.ts';

/** How much of a body nobody wants is still read so that its sender gets to see the answer. */
const drainBytesMax = 256 * 1024 ** 2;
const drainMsMax = 15_000;
/** A sender that pauses this long has seen the answer, or will not. */
const drainIdleMsMax = 2_000;

/** Nothing more is read of a body that failed; its sender gets this long to read the answer. */
const failedIdleMsMax = 500;

/** A reply whose body is text already. */
export interface TextReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Turns what a handler answered into text. `body` undefined means none. */
export function toTextReply(reply: Exclude<Reply, 'sent'>): TextReply {
  if (reply.body === undefined) return { status: reply.status, headers: reply.headers ?? {}, text: '' };
  const headers = { 'Content-Type': 'application/json; charset=utf-8', ...reply.headers };
  return { status: reply.status, headers, text: JSON.stringify(reply.body) };
}

/**
 * Throws away what still arrives of a body, within bounds: closing a socket that has unread bytes resets the
 * connection, and a reset discards the answer at the client (RFC 9112 §9.6).
 */
function drain(incoming: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    let sizeBytes = 0;
    const finish = (): void => {
      clearTimeout(total);
      clearTimeout(idle);
      incoming.off('data', onData).off('end', finish).off('close', finish).off('error', finish);
      resolve();
    };
    const total = setTimeout(finish, drainMsMax);
    const hasFailed = bodyFailureOf(incoming) !== undefined;
    const idle = setTimeout(finish, hasFailed ? failedIdleMsMax : drainIdleMsMax);
    const onData = (chunk: Buffer): void => {
      sizeBytes += chunk.length;
      idle.refresh();
      if (sizeBytes > drainBytesMax) finish();
    };
    incoming.unpipe();
    incoming.on('data', onData).on('end', finish).on('close', finish).on('error', finish);
    // A request that broke off has lost its socket.
    const { socket }: { readonly socket: Socket | null } = incoming;
    const isOver = incoming.readableEnded || incoming.destroyed || socket === null;
    if (isOver || (hasFailed && socket.readableEnded)) finish();
    else incoming.resume();
  });
}

// Small answers are gone at once; of a long one the reader may stop half way and never come back.
function guardReader({ outgoing, unsentBytes }: Exchange): void {
  const { socket } = outgoing.req;
  if (outgoing.writableFinished || socket.writableLength === 0) return;
  const stopGuard = guardRate({
    bytesMoved: () => bytesTaken(socket),
    bytesOnTheWay: async () => unsentBytes?.(socket),
    // An answer without a socket waits for the ones before it.
    isPeerDue: () => outgoing.socket !== null,
    onTooSlow: () => outgoing.destroy(),
  });
  outgoing.once('finish', stopGuard).once('close', stopGuard);
}

function mayHaveBody(status: number): boolean {
  return status !== 204 && status !== 304;
}

/** Handlers know nothing of a proxy that takes a path prefix away. */
function setHeaders({ outgoing, pathPrefix }: Exchange, headers: TextReply['headers']): void {
  for (const [name, value] of Object.entries(headers)) {
    outgoing.setHeader(name, name === 'Location' ? publicPath(pathPrefix, value) : value);
  }
}

/**
 * Writes a whole reply. When the request body was not read to its end, the answer goes out first, then the rest is
 * drained within bounds, and the connection is closed. Does nothing on a connection that is gone; an answer already
 * begun is cut off, never ended as if complete.
 */
export function send(exchange: Exchange, reply: TextReply): void {
  const { incoming, outgoing } = exchange;
  if (outgoing.headersSent && !outgoing.writableEnded) outgoing.destroy();
  if (outgoing.headersSent || outgoing.destroyed) return;
  const bytes = Buffer.from(reply.text);
  setHeaders(exchange, reply.headers);
  if (mayHaveBody(reply.status)) outgoing.setHeader('Content-Length', bytes.length);
  const isBodyUnread = hasBody(incoming.headers) && !incoming.readableEnded;
  if (isBodyUnread) outgoing.setHeader('Connection', 'close');
  outgoing.writeHead(reply.status);
  if (!isBodyUnread) {
    outgoing.end(bytes);
    guardReader(exchange);
    return;
  }
  outgoing.flushHeaders();
  if (bytes.length > 0 && mayHaveBody(reply.status) && incoming.method !== 'HEAD') outgoing.write(bytes);
  void drain(incoming).then(() => outgoing.end());
}
