import type { IncomingMessage } from 'node:http';
import type { Span, TraceContext, Tracer } from '../../domain/trace.ts';
import type { Exchange } from './exchange.ts';
import { patternOf } from './request-metrics.ts';

/** Asked every few seconds by load balancers; a trace of each would drown the others. */
const probes: ReadonlySet<string> = new Set(['/livez', '/readyz']);
/** What `http.request.method` may be; the names of spans have to be few (OpenTelemetry, HTTP spans). */
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

function methodOf({ method }: Exchange): string {
  return methods.has(method) ? method : '_OTHER';
}

/** Begins the span of a request, as a part of the caller's trace. @returns `undefined` where nothing is recorded */
export function beginRequestSpan(
  tracer: Tracer | undefined,
  incoming: IncomingMessage,
  caller: TraceContext | undefined,
): Span | undefined {
  if (tracer === undefined || probes.has(incoming.url ?? '')) return undefined;
  return tracer.begin('HTTP', { kind: 'server', parent: caller });
}

/** How an answer ended. */
export interface AnswerEnd {
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly isAborted: boolean;
}

/**
 * Ends the span of a request. It has the pattern of the route and never the path or the query, which name entries and
 * carry tokens.
 */
export function endRequestSpan(exchange: Exchange, { bytesIn, bytesOut, isAborted }: AnswerEnd): void {
  const { span, note, outgoing, incoming, requestId, peer } = exchange;
  if (span === undefined) return;
  const { route, userId, errorCode } = note;
  const { statusCode: status } = outgoing;
  const method = methodOf(exchange);
  const pattern = route === undefined ? undefined : patternOf(route);
  const isFault = status >= 500;
  span.end({
    name: pattern === undefined ? method.replace('_OTHER', 'HTTP') : `${method} ${pattern}`,
    attributes: {
      'http.request.method': method,
      'http.response.status_code': status,
      'http.request.body.size': bytesIn,
      'http.response.size': bytesOut,
      'network.protocol.version': incoming.httpVersion,
      'url.scheme': peer.scheme,
      'vfolder.request_id': requestId,
      ...(pattern === undefined ? {} : { 'http.route': pattern }),
      ...(userId === undefined ? {} : { 'user.id': userId }),
      ...(errorCode === undefined ? {} : { 'vfolder.problem.code': errorCode }),
    },
    error: isAborted ? 'aborted' : isFault ? (errorCode ?? String(status)) : undefined,
  });
}
