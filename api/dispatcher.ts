import type { IncomingMessage } from 'node:http';
import type { Tracer } from '../domain/trace.ts';
import type { Authenticate } from './auth/authenticate.ts';
import type { Logger } from './http/logger.ts';
import type { Peer } from './http/peer.ts';
import type { UnsentBytes } from './http/rate-guard.ts';
import type { RequestMetrics } from './http/request-metrics.ts';
import type { Concurrency } from './middleware/concurrency.ts';
import type { RateLimit } from './middleware/rate-limit.ts';
import type { StreamSeats } from './middleware/stream-seats.ts';
import type { Services } from './services.ts';

/** What answering requests takes; the same for every request of a server. */
export interface Dispatcher {
  readonly services: Services;
  /** What stands before the paths of the service as callers write them. */
  readonly pathPrefix: string;
  readonly logger: Logger;
  readonly authenticate: Authenticate;
  /** Secrets are taken over connections that others can read. */
  readonly allowsPlainSecrets: boolean;
  readonly rateLimit: RateLimit;
  readonly concurrency: Concurrency;
  readonly streamSeats: StreamSeats;
  readonly readPeer: (incoming: IncomingMessage) => Peer;
  readonly unsentBytes: UnsentBytes | undefined;
  readonly metrics: RequestMetrics | undefined;
  readonly tracer: Tracer | undefined;
}
