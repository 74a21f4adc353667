import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { domainError, type ErrorCode } from '../../domain/errors.ts';
import { toProblem } from '../problem.ts';

/** How long a refused connection stays half open, so that the answer is not lost in a reset. */
const lingerMs = 1_000;

const details = {
  request_malformed: 'The request is not valid HTTP.',
  request_timeout: 'The request head did not arrive in time.',
  headers_too_large: 'The request line and headers are too large.',
  body_too_large: 'The chunk extensions of the body are too large.',
  method_not_allowed: 'CONNECT is not served here.',
} as const satisfies Partial<Record<ErrorCode, string>>;

function codeOf(error: Error): keyof typeof details {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers_too_large';
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return 'body_too_large';
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'request_timeout' : 'request_malformed';
}

function rawProblem(code: keyof typeof details): string {
  const requestId = randomUUID();
  const problem = toProblem(domainError(code, details[code]), { instance: '', requestId });
  const headers = {
    ...problem.headers,
    'X-Request-Id': requestId,
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'no-store',
    'Content-Length': String(Buffer.byteLength(problem.body)),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join('')}\r\n${problem.body}`;
}

/**
 * Answers what Node's parser refuses with problems instead of bare status lines, and never lets a broken connection
 * raise. A connection on which an answer is already under way is cut instead: two answers on it would be read as one.
 */
export function answerParserErrors(server: Server): void {
  const answered = new WeakSet<Duplex>();
  const busy = new WeakMap<Duplex, number>();
  const finish = (socket: Duplex, code: keyof typeof details): void => {
    // A parser that gave up reports every further chunk again.
    if (answered.has(socket)) return;
    answered.add(socket);
    if (!socket.writable || (busy.get(socket) ?? 0) > 0) {
      socket.destroy();
      return;
    }
    socket.end(rawProblem(code));
    setTimeout(() => socket.destroy(), lingerMs).unref();
  };
  server.on('request', trackBusy(busy));
  server.on('checkContinue', trackBusy(busy));
  server.on('clientError', (error, socket) => {
    socket.on('error', () => undefined);
    if ('code' in error && error.code === 'ECONNRESET') socket.destroy();
    else finish(socket, codeOf(error));
  });
  server.on('connect', (_request, socket) => {
    socket.on('error', () => undefined);
    socket.resume();
    finish(socket, 'method_not_allowed');
  });
}

function trackBusy(busy: WeakMap<Duplex, number>) {
  return (incoming: IncomingMessage, outgoing: NodeJS.EventEmitter): void => {
    const { socket } = incoming;
    busy.set(socket, (busy.get(socket) ?? 0) + 1);
    outgoing.once('close', () => busy.set(socket, (busy.get(socket) ?? 1) - 1));
  };
}
