import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type DomainError, domainError, type ErrorCode } from '../../domain/errors.ts';
import { toProblem } from '../problem.ts';
import { failBody } from './body-failure.ts';

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

function rawProblem(code: keyof typeof details, pathPrefix: string): string {
  const requestId = randomUUID();
  const problem = toProblem(domainError(code, details[code]), { instance: '', requestId, pathPrefix });
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

interface Open {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
}

/** The requests of a connection whose answers are not complete, oldest first. */
type OpenRequests = WeakMap<Duplex, Open[]>;

function trackOpen(open: OpenRequests) {
  return (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const { socket } = incoming;
    const request = { incoming, outgoing };
    open.set(socket, [...(open.get(socket) ?? []), request]);
    outgoing.once('close', () => {
      open.set(socket, open.get(socket)?.filter((other) => other !== request) ?? []);
    });
  };
}

function brokenBody(error: Error): DomainError {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'HPE_INVALID_EOF_STATE') return domainError('upload_aborted', 'The body ended too early.');
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return domainError('body_too_large', details.body_too_large);
  return domainError('request_malformed', 'The framing of the body is not valid HTTP.');
}

type AnswerRaw = (socket: Duplex, code: keyof typeof details) => void;

function rawAnswers(pathPrefix: string): AnswerRaw {
  return (socket, code) => {
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    socket.end(rawProblem(code, pathPrefix));
    setTimeout(() => socket.destroy(), lingerMs).unref();
  };
}

/**
 * Answers what Node's parser refuses with problems instead of bare status lines, and never lets a broken connection
 * raise. A broken body fails the request it belongs to, which answers in its own way; a broken head is answered after
 * the requests before it, never in between: two answers at once would be read as one. `pathPrefix` as in problems.
 */
export function answerParserErrors(server: Server, pathPrefix: string): void {
  const answerRaw = rawAnswers(pathPrefix);
  const answered = new WeakSet<Duplex>();
  const open: OpenRequests = new WeakMap();
  const refuse = (socket: Duplex, error: Error): void => {
    // A parser that gave up reports every further chunk again.
    if (answered.has(socket)) return;
    answered.add(socket);
    const last = open.get(socket)?.at(-1);
    if (last === undefined) answerRaw(socket, codeOf(error));
    else if (!last.incoming.complete) failBody(last.incoming, brokenBody(error));
    else last.outgoing.once('close', () => answerRaw(socket, codeOf(error)));
  };
  for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) {
    server.on(event, trackOpen(open));
  }
  server.on('clientError', (error, socket) => {
    socket.on('error', () => undefined);
    if ('code' in error && error.code === 'ECONNRESET') socket.destroy();
    else refuse(socket, error);
  });
  server.on('connect', (_request, socket) => {
    socket.on('error', () => undefined);
    socket.resume();
    answerRaw(socket, 'method_not_allowed');
  });
}
