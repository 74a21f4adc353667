import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { domainError } from '../domain/errors.ts';
import type { Tracer } from '../domain/trace.ts';
import type { SharedRateCounts } from '../jobs/rate-counts.ts';
import { createAuthenticator } from './auth/authenticate.ts';
import { dispatch, dispatchNowhere, refuseHead } from './dispatch.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Exchange } from './http/exchange.ts';
import { requireSoundHead, supplyHost } from './http/head.ts';
import type { Logger } from './http/logger.ts';
import { answerParserErrors } from './http/parser-errors.ts';
import { createPeerReader } from './http/peer.ts';
import { pathPrefixOf } from './http/public-path.ts';
import type { UnsentBytes } from './http/rate-guard.ts';
import type { RequestMetrics } from './http/request-metrics.ts';
import { createRetirement } from './http/retire.ts';
import { parseTarget } from './http/target.ts';
import { type ConcurrencyLimits, createConcurrency } from './middleware/concurrency.ts';
import { createRateLimit } from './middleware/rate-limit.ts';
import { createStreamSeats } from './middleware/stream-seats.ts';
import { openExchange } from './open-exchange.ts';
import { locate } from './profiles/locate.ts';
import { readProfile } from './profiles/profile.ts';
import type { Route } from './route.ts';
import type { Services } from './services.ts';

/** What a server is made of. */
export interface ServerOptions {
  readonly services: Services;
  readonly routes: readonly Route[];
  readonly logger: Logger;
  /** Accept `Basic` over plain HTTP from other hosts. Default: refuse. */
  readonly allowPlainSecrets?: boolean;
  /** Addresses or CIDR ranges whose `X-Forwarded-*` headers are believed. Default: none. */
  readonly trustedProxies?: readonly string[];
  /** Requests per keypair, and per address without one, in 15 minutes. Default: 1,000,000. */
  readonly requestsPerWindowMax?: number;
  /** Where all processes add up their requests. Default: each process counts for itself. */
  readonly rateCounts?: SharedRateCounts;
  /** Requests of one keypair at the same time, each process for itself. Default: 2,048, of which 512 transfers. */
  readonly concurrency?: ConcurrencyLimits;
  /** Tells what the kernel still holds of what was written to a socket. Default: nobody does. */
  readonly unsentBytes?: UnsentBytes;
  /** Where requests are counted. Default: nowhere. */
  readonly metrics?: RequestMetrics | undefined;
  /** Where requests are recorded. Default: nowhere. */
  readonly tracer?: Tracer | undefined;
  /** Milliseconds since 1970, for the age of signatures. Default: the system's clock. */
  readonly now?: () => number;
}

/** A server that can listen once. */
export interface ApiServer {
  /** Port 0 takes a free one. @returns the port @throws the error of listen(2), such as EADDRINUSE */
  listen(address: { readonly port: number; readonly host: string }): Promise<number>;
  /**
   * Tells clients with every answer that it is the last one on its connection, stops accepting after `drainMs`, lets
   * running requests end until the deadline, then cuts them. Idle connections are closed at once, or get `lingerMs` to be
   * used once more. May be called again.
   */
  close(
    deadlineMs: number,
    manner?: { readonly drainMs?: number; readonly lingerMs?: number },
  ): Promise<void>;
}

/** Most requests per window unless configured otherwise. */
export const requestsPerWindowMaxDefault = 1_000_000;
const concurrencyDefault: ConcurrencyLimits = { requestsMax: 2_048, transfersMax: 512 };
/** A head has to be complete after this long; bodies have deadlines of their own, where they are read. */
const headersMsMax = 10_000;
/** Longer than the idle timeout that load balancers commonly have (60 s), so that it is not us who closes first. */
const keepAliveMs = 65_000;
const connectionsMax = 10_000;

interface Bindings {
  readonly exchange: Exchange;
  /** Methods of the routes that matched the path but not the method. */
  readonly allowed: Set<string>;
}

function groupByPath(routes: readonly Route[]): ReadonlyMap<string, ReadonlyMap<string, Route>> {
  const groups = new Map<string, Map<string, Route>>();
  for (const route of routes) {
    const group = groups.get(route.path) ?? new Map<string, Route>();
    if (group.has(route.method))
      throw new Error(`The route ${route.method} ${route.path} is declared twice.`);
    groups.set(route.path, group.set(route.method, route));
  }
  // Literal segments before parameters: "/folders/create" is never taken for a folder of that name.
  const rank = (path: string): string => path.replaceAll(/:[^/]+/g, '\uffff');
  return new Map([...groups].sort(([left], [right]) => (rank(left) < rank(right) ? -1 : 1)));
}

/**
 * The route that answers a method. HEAD is answered wherever GET is (RFC 9110 §9.1), by the same handler, whose content Node
 * leaves away; but not where making that content costs more than its head is worth.
 */
function routeFor(group: ReadonlyMap<string, Route>, method: string): Route | undefined {
  const declared = group.get(method);
  if (declared !== undefined || method !== 'HEAD') return declared;
  const twin = group.get('GET');
  return twin?.isTransfer === true || twin?.isStream === true ? undefined : twin;
}

function methodsOf(group: ReadonlyMap<string, Route>): readonly string[] {
  const declared = [...group.keys()];
  return routeFor(group, 'HEAD') === undefined ? declared : [...declared, 'HEAD'];
}

function createApp(dispatcher: Dispatcher, routes: readonly Route[]): Hono<{ Bindings: Bindings }> {
  const app = new Hono<{ Bindings: Bindings }>({
    getPath: (_request, options) => options?.env?.exchange.location?.path ?? '/',
  });
  for (const [path, group] of groupByPath(routes)) {
    // No folder can have the name of a route, so there is nothing else that its path could mean.
    const isLiteral = !/[:*]/.test(path);
    app.all(path, async (context, next) => {
      const { exchange, allowed } = context.env;
      const route = routeFor(group, exchange.location?.method ?? exchange.method);
      if (route === undefined) {
        for (const method of methodsOf(group)) allowed.add(method);
        if (!isLiteral) return next();
        await dispatchNowhere(dispatcher, exchange, allowed);
        return RESPONSE_ALREADY_SENT;
      }
      await dispatch(dispatcher, route, exchange, context.req.param());
      return RESPONSE_ALREADY_SENT;
    });
  }
  app.notFound(async (context) => {
    await dispatchNowhere(dispatcher, context.env.exchange, context.env.allowed);
    return RESPONSE_ALREADY_SENT;
  });
  return app;
}

type Listener = (incoming: IncomingMessage, outgoing: ServerResponse, expectsContinue: boolean) => void;

// Hono sees a request only after its raw head was found sound: the adapter would normalise what it does not refuse.
function createListener(dispatcher: Dispatcher, routes: readonly Route[]): Listener {
  const app = createApp(dispatcher, routes);
  const waiting = new WeakMap<object, Exchange>();
  const listener = getRequestListener(
    (request, { incoming }) => {
      const exchange = waiting.get(incoming);
      if (exchange === undefined) throw new Error('A request has no exchange.');
      waiting.delete(incoming);
      return app.fetch(request, { exchange, allowed: new Set<string>() });
    },
    { overrideGlobalObjects: false, autoCleanupIncoming: false, errorHandler: () => undefined },
  );
  return (incoming, outgoing, expectsContinue) => {
    const exchange = openExchange(dispatcher, incoming, outgoing, expectsContinue);
    try {
      supplyHost(incoming);
      requireSoundHead(incoming);
      exchange.target = parseTarget(incoming.url ?? '', incoming.headers.host);
      exchange.profile = readProfile(incoming.headers);
      const sent = { method: exchange.method, path: exchange.target.routingPath };
      exchange.location = locate(exchange.profile, sent);
    } catch (error) {
      void refuseHead(dispatcher, exchange, error);
      return;
    }
    waiting.set(incoming, exchange);
    void listener(incoming, outgoing).then(() => {
      if (!waiting.has(incoming)) return;
      // The adapter refuses some hosts before it calls us.
      const error = domainError('request_malformed', 'Send one valid Host header.');
      return refuseHead(dispatcher, exchange, error);
    });
  };
}

/**
 * Builds the server from routes and nothing else. Every request is authenticated, counted, read, validated and answered
 * the same way; what no route declares does not exist.
 */
export function createServer(options: ServerOptions): ApiServer {
  const { services, routes, logger, allowPlainSecrets = false, now = Date.now } = options;
  const pathPrefix = pathPrefixOf(services.publicUrl);
  const rateLimit = createRateLimit({
    requestsMax: options.requestsPerWindowMax ?? requestsPerWindowMaxDefault,
    shared: options.rateCounts,
    now,
  });
  const listener = createListener(
    {
      services,
      pathPrefix,
      logger,
      authenticate: createAuthenticator({ services, allowPlainSecrets, now }),
      allowsPlainSecrets: allowPlainSecrets,
      rateLimit,
      concurrency: createConcurrency(options.concurrency ?? concurrencyDefault),
      streamSeats: createStreamSeats(),
      unsentBytes: options.unsentBytes,
      metrics: options.metrics,
      tracer: options.tracer,
      readPeer: createPeerReader(options.trustedProxies ?? []),
    },
    routes,
  );
  const server = http.createServer({
    headersTimeout: headersMsMax,
    connectionsCheckingInterval: 1_000,
    // Whole bodies have no deadline: an honest large upload may take hours. Each reader of a body watches its own.
    requestTimeout: 0,
    keepAliveTimeout: keepAliveMs,
    // Checked by us, so that the refusal is a problem like any other.
    requireHostHeader: false,
  });
  server.maxConnections = connectionsMax;
  answerParserErrors(server, pathPrefix);
  const retirement = createRetirement(server);
  for (const event of ['request', 'checkContinue', 'checkExpectation']) {
    server.on(event, (_incoming, outgoing: ServerResponse) => retirement.watch(outgoing));
  }
  server.on('request', (incoming, outgoing) => listener(incoming, outgoing, false));
  server.on('checkContinue', (incoming, outgoing) => listener(incoming, outgoing, true));
  server.on('checkExpectation', (incoming, outgoing) => listener(incoming, outgoing, false));
  return {
    listen: (address) => listen(server, address),
    close: async (deadlineMs, { drainMs = 0, lingerMs = 0 } = {}) => {
      await retirement.retire({ deadlineMs, drainMs, lingerMs });
      await rateLimit.close();
    },
  };
}

function listen(server: Server, address: { readonly port: number; readonly host: string }): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => {
      server.off('error', reject);
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : address.port);
    });
  });
}
