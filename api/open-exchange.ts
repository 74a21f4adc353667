import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { traceFields } from '../domain/trace.ts';
import type { Dispatcher } from './dispatcher.ts';
import { hasBody } from './http/body.ts';
import type { Exchange } from './http/exchange.ts';
import { givenRequestId, givenTrace, methodOf } from './http/head.ts';
import { patternOf, protocolOf } from './http/request-metrics.ts';
import { beginRequestSpan, endRequestSpan } from './http/request-span.ts';
import { documented } from './profiles/profile.ts';

/** Headers of every answer; a handler that sends content of users sets its own policy over them. */
const commonHeaders: readonly (readonly [string, string])[] = [
  ['X-Content-Type-Options', 'nosniff'],
  ['Referrer-Policy', 'no-referrer'],
  ['Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'"],
  ['Cache-Control', 'no-store'],
];

/** Where a request began, so that its end knows how much went by. */
interface Beginning {
  readonly ms: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Kept, for a request that breaks off loses its own. */
  readonly socket: Socket;
}

// A body with a length that came whole is exactly that long; of any other the socket knows best.
function receivedBytes({ incoming }: Exchange, begun: Beginning): number {
  const declared = incoming.headers['content-length'];
  if (declared !== undefined && incoming.complete) return Number(declared);
  return hasBody(incoming.headers) ? begun.socket.bytesRead - begun.bytesIn : 0;
}

/** What log lines of a request are found by. */
export function idsOf({ requestId, span, trace }: Exchange): Readonly<Record<string, string>> {
  return { request_id: requestId, ...traceFields(span, trace) };
}

function noteEnd(dispatcher: Dispatcher, exchange: Exchange, begun: Beginning): void {
  const { outgoing, note, method } = exchange;
  const { route } = note;
  const ms = performance.now() - begun.ms;
  const isAborted = !outgoing.writableFinished;
  const bytesIn = receivedBytes(exchange, begun);
  const bytesOut = begun.socket.bytesWritten - begun.bytesOut;
  dispatcher.metrics?.ended({
    method,
    route: route === undefined ? undefined : patternOf(route),
    status: outgoing.statusCode,
    isAborted,
    seconds: ms / 1_000,
    transfer: route?.isTransfer === true ? { protocol: protocolOf(route), bytesIn, bytesOut } : undefined,
  });
  // Not spread together, which takes thirty times as long.
  const fields = Object.assign({}, idsOf(exchange), {
    // Callers may override it with any bytes that a header can have.
    method: /^[A-Z]{1,20}$/.test(method) ? method : 'other',
    route: route === undefined ? null : `${route.method} ${route.path}`,
    status: outgoing.statusCode,
    ms: Math.round(ms * 10) / 10,
    bytes_in: bytesIn,
    bytes_out: bytesOut,
  });
  if (note.userId !== undefined) {
    Object.assign(fields, { actor_id: note.userId, access_key: note.accessKey });
  }
  if (note.linkId !== undefined) Object.assign(fields, { link_id: note.linkId });
  if (note.errorCode !== undefined) Object.assign(fields, { code: note.errorCode });
  if (isAborted) Object.assign(fields, { aborted: true });
  dispatcher.logger.info(fields, 'request.end');
  endRequestSpan(exchange, { bytesIn, bytesOut, isAborted });
}

/** The signal that the client went away, made when it is first asked for: most requests are answered without. */
function createGone() {
  let controller: AbortController | undefined;
  let isGone = false;
  const abort = () => controller?.abort(new Error('The client went away.'));
  return {
    signal(): AbortSignal {
      if (controller === undefined) {
        controller = new AbortController();
        if (isGone) abort();
      }
      return controller.signal;
    },
    tell(): void {
      isGone = true;
      abort();
    },
  };
}

/**
 * Starts an exchange: request id, common headers, the abort signal, and the log line and the span at its end. From here on errors of
 * either stream have a listener, so that a connection cut at any moment cannot end the process.
 */
export function openExchange(
  dispatcher: Dispatcher,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  expectsContinue: boolean,
): Exchange {
  const gone = createGone();
  const caller = givenTrace(incoming.headers);
  const span = beginRequestSpan(dispatcher.tracer, incoming, caller);
  const requestId = givenRequestId(incoming.headers) ?? randomUUID();
  let isContinueDue = expectsContinue;
  const exchange: Exchange = {
    requestId,
    incoming,
    outgoing,
    peer: dispatcher.readPeer(incoming),
    method: methodOf(incoming),
    target: undefined,
    pathPrefix: dispatcher.pathPrefix,
    profile: documented,
    location: undefined,
    contentSha256: undefined,
    get signal() {
      return gone.signal();
    },
    unsentBytes: dispatcher.unsentBytes,
    span,
    trace: span?.context ?? caller,
    note: {},
    continueBody: () => {
      if (isContinueDue && !outgoing.headersSent) outgoing.writeContinue();
      isContinueDue = false;
    },
  };
  const { bytesRead: bytesIn, bytesWritten: bytesOut } = incoming.socket;
  const begun = { ms: performance.now(), bytesIn, bytesOut, socket: incoming.socket };
  incoming.on('error', () => undefined);
  outgoing.on('error', () => undefined);
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.tell();
    noteEnd(dispatcher, exchange, begun);
  });
  outgoing.setHeader('X-Request-Id', requestId);
  for (const [name, value] of commonHeaders) outgoing.setHeader(name, value);
  return exchange;
}
