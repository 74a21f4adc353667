import { domainError, isDomainError } from '../domain/errors.ts';
import { requireScope } from './auth/token-principal.ts';
import { watchSession } from './auth/watch-session.ts';
import type { Dispatcher } from './dispatcher.ts';
import {
  hasBody,
  jsonArrivalMsMax,
  jsonBytesMax,
  parseJsonObject,
  readBytes,
  requireIdentityEncoding,
  requireJson,
} from './http/body.ts';
import { readContentDigest, requireDigest, watchDigest } from './http/content-digest.ts';
import type { Exchange } from './http/exchange.ts';
import { instanceOf } from './http/instance.ts';
import { acceptedReply, replyAfterJob } from './http/job-reply.ts';
import { rateKeyOf } from './http/peer.ts';
import { parsePrefer } from './http/prefer.ts';
import { readQuery } from './http/query.ts';
import { validateInput } from './http/schema.ts';
import { send, toTextReply } from './http/send.ts';
import {
  changeOnce,
  fingerprintOf,
  type NamedChange,
  plainChange,
  readIdempotencyKey,
  streamedChange,
} from './idempotency.ts';
import { idsOf } from './open-exchange.ts';
import { type Problem, toProblem } from './problem.ts';
import { clientParameters } from './profiles/client-parameters.ts';
import { toClientProblem } from './profiles/client-problem.ts';
import { type ApiRequest, isNamedChange, type Principal, type Reply, type Route } from './route.ts';
import { traceJobs } from './trace-jobs.ts';

/** Who a request to a public route acts for; no row has this id. */
export const anonymous: Principal = {
  userId: '00000000-0000-0000-0000-000000000000',
  email: '',
  role: 'user',
  accessKey: '',
};

/** Logs what is our fault, with its causes; and what changed under a reader, which anybody who may write can bring about. */
function logRefusal(dispatcher: Dispatcher, exchange: Exchange, problem: Problem, error: unknown): void {
  const { status, code } = problem;
  if (exchange.signal.aborted && code !== 'entry_changed') return;
  if (code === 'entry_changed') dispatcher.logger.warn({ ...idsOf(exchange), code }, 'entry.changed');
  else if (status >= 500 && status !== 507) {
    dispatcher.logger.error({ ...idsOf(exchange), code, err: error }, 'request.failed');
  }
}

/** Answers an exchange with the problem that `error` stands for. */
function refuse(dispatcher: Dispatcher, exchange: Exchange, error: unknown): void {
  const problem = toProblem(error, {
    instance: instanceOf(exchange.target),
    requestId: exchange.requestId,
    pathPrefix: exchange.pathPrefix,
    ...(exchange.profile.name === 'client' ? { shape: toClientProblem } : {}),
  });
  exchange.note.errorCode = problem.code;
  logRefusal(dispatcher, exchange, problem, error);
  send(exchange, { status: problem.status, headers: problem.headers, text: problem.body });
}

// Proven callers are counted by keypair; everyone else, failed proofs included, by address.
async function admit(
  dispatcher: Dispatcher,
  route: Route,
  exchange: Exchange,
  readBody: () => Promise<Buffer>,
): Promise<Principal> {
  if (route.access === 'public') {
    dispatcher.rateLimit.countAddress(exchange);
    // Other public routes take a small form at most.
    if (route.isTransfer === true) {
      exchange.contentSha256 = readContentDigest(exchange.incoming.headers, 'request_malformed');
    }
    return anonymous;
  }
  let principal: Principal;
  try {
    principal = await dispatcher.authenticate(exchange, readBody);
  } catch (error) {
    dispatcher.rateLimit.countAddress(exchange);
    throw error;
  }
  exchange.note.userId = principal.userId;
  exchange.note.accessKey = principal.accessKey;
  const isOperating = route.access === 'admin' && principal.role === 'admin';
  dispatcher.rateLimit.countKey(exchange, principal, { isOperating });
  requireScope(route, principal);
  if (route.access === 'admin' && principal.role !== 'admin') {
    throw domainError('admin_required', 'Only an administrator may do this.');
  }
  return principal;
}

function bodyReader(route: Route, exchange: Exchange): () => Promise<Buffer> {
  let bytes: Promise<Buffer> | undefined;
  return () => {
    if (route.body === 'stream' && hasBody(exchange.incoming.headers)) {
      const detail = 'This body is not hashed before it is used; sign with API version v4.20181215 or above.';
      return Promise.reject(domainError('auth_invalid', detail));
    }
    exchange.continueBody();
    bytes ??= readBytes(exchange.incoming, { bytesMax: jsonBytesMax, arrivalMsMax: jsonArrivalMsMax });
    return bytes;
  };
}

async function readVerified(exchange: Exchange, readBody: () => Promise<Buffer>): Promise<Buffer> {
  const bytes = await readBody();
  requireDigest(bytes, exchange.contentSha256);
  return bytes;
}

async function readInput(
  route: Route,
  exchange: Exchange,
  readBody: () => Promise<Buffer>,
): Promise<unknown> {
  const { headers } = exchange.incoming;
  const query = readQuery(exchange.target?.query ?? '');
  if (route.body === 'stream') {
    requireIdentityEncoding(headers);
    // Whoever reads a body compares it; one that is not there nobody reads.
    if (!hasBody(headers)) requireDigest(Buffer.alloc(0), exchange.contentSha256);
  } else requireJson(headers);
  const body = route.body === 'stream' ? {} : parseJsonObject(await readVerified(exchange, readBody));
  if (exchange.profile.name === 'documented') return validateInput(route.input, body, query);
  const given = clientParameters({ body, query }, route.client);
  return validateInput(route.input, given.body, given.query);
}

/** Runs a route in the profile of the request. */
function respond(route: Route, request: ApiRequest<unknown>): Promise<Reply> {
  const answer = request.profile.name === 'client' ? route.client?.answer : undefined;
  return answer === undefined ? route.handle(request) : answer(request, route.handle);
}

interface Call {
  readonly exchange: Exchange;
  readonly principal: Principal;
  readonly params: Readonly<Record<string, string>>;
  readonly readBody: () => Promise<Buffer>;
  /** Aborted when the client, or the session that the answer is for, is gone. */
  readonly signalOf: () => AbortSignal;
}

/** The change that its caller named by an `Idempotency-Key`; `undefined` for reads and for callers that do not. */
async function readChange(route: Route, call: Call): Promise<NamedChange | undefined> {
  const { exchange, principal, readBody } = call;
  const { headers } = exchange.incoming;
  if (!isNamedChange(route)) return undefined;
  const key = readIdempotencyKey(headers['idempotency-key']);
  if (key === undefined) return undefined;
  const content = route.body === 'stream' ? streamedChange(headers) : plainChange(headers, await readBody());
  const { method, profile, target } = exchange;
  const asked = [method, target?.raw ?? '', profile.name, ...content, exchange.contentSha256 ?? ''];
  return { userId: principal.userId, key, fingerprint: fingerprintOf(asked) };
}

async function handle(dispatcher: Dispatcher, route: Route, call: Call): Promise<void> {
  const { exchange, principal, params, readBody, signalOf } = call;
  const { incoming, outgoing, requestId, profile, unsentBytes } = exchange;
  const input = await readInput(route, exchange, readBody);
  const change = await readChange(route, call);
  if (route.holdsContinue !== true && change === undefined) exchange.continueBody();
  const request: ApiRequest<unknown> = {
    services: traceJobs(dispatcher.services, exchange),
    requestId,
    principal,
    profile,
    params,
    input,
    preference: parsePrefer(incoming.headers.prefer),
    headers: incoming.headers,
    isConfidential: exchange.peer.isConfidential,
    takesPlainSecrets: exchange.peer.isConfidential || dispatcher.allowsPlainSecrets,
    noteLink: (linkId) => {
      exchange.note.linkId = linkId;
    },
    get origin() {
      return rateKeyOf(exchange.peer.address);
    },
    incoming,
    outgoing,
    acceptBody: () => exchange.continueBody(),
    verifyBody:
      route.body === 'stream' ? watchDigest(incoming, exchange.contentSha256) : async () => undefined,
    get signal() {
      return signalOf();
    },
    unsentBytes,
    baseUrl: dispatcher.services.publicUrl ?? `${exchange.peer.scheme}://${incoming.headers.host ?? ''}`,
  };
  if (change === undefined) {
    const reply = await respond(route, request);
    if (reply !== 'sent') send(exchange, toTextReply(reply));
    return;
  }
  const reply = await changeOnce(request.services, change, {
    run: (services) => {
      if (route.holdsContinue !== true) exchange.continueBody();
      return respond(route, { ...request, services });
    },
    resume: (jobId) =>
      replyAfterJob(
        request,
        jobId,
        route.finished ?? (() => acceptedReply(jobId, request.preference, { id: jobId })),
      ),
  });
  if (reply === 'sent') return;
  send(exchange, 'stored' in reply ? reply.stored : toTextReply(reply));
}

/** Whose places a request takes. No keypair has a colon. */
function placeOf(principal: Principal, { peer }: Exchange): string {
  return principal === anonymous ? `address:${rateKeyOf(peer.address)}` : principal.accessKey;
}

async function answer(
  dispatcher: Dispatcher,
  route: Route,
  exchange: Exchange,
  params: Readonly<Record<string, string>>,
): Promise<void> {
  const readBody = bodyReader(route, exchange);
  const principal = await admit(dispatcher, route, exchange, readBody);
  const leave = dispatcher.concurrency.enter(placeOf(principal, exchange), route.isTransfer === true);
  const isUpload = route.isTransfer === true && route.body === 'stream';
  const uploadEnded = isUpload ? dispatcher.metrics?.uploadBegan() : undefined;
  let standUp: (() => void) | undefined;
  const { session } = principal;
  // Streams of events watch theirs by themselves, and what changes something is done whole.
  const isWatched = session !== undefined && route.method === 'GET' && route.isStream !== true;
  const watch = isWatched ? watchSession(dispatcher.services, session, exchange.signal) : undefined;
  const signalOf = () => watch?.signal ?? exchange.signal;
  try {
    if (route.isStream === true) standUp = dispatcher.streamSeats.enter(principal.userId);
    await handle(dispatcher, route, { exchange, principal, params, readBody, signalOf });
  } catch (error) {
    // What is left of a request whose session has ended in the middle is of no interest, least of all as a fault of ours.
    if (watch?.isOver === true && !exchange.signal.aborted)
      throw domainError('auth_required', 'The session has ended.', { cause: error });
    throw error;
  } finally {
    watch?.end();
    standUp?.();
    uploadEnded?.();
    leave();
  }
}

/** Runs a route for an exchange and answers it, with its reply or with a problem. Never rejects. */
export async function dispatch(
  dispatcher: Dispatcher,
  route: Route,
  exchange: Exchange,
  params: Readonly<Record<string, string>>,
): Promise<void> {
  exchange.note.route = route;
  for (const [name, value] of Object.entries(route.headers ?? {})) exchange.outgoing.setHeader(name, value);
  try {
    await answer(dispatcher, route, exchange, params);
  } catch (error) {
    if (route.isPage === true && isSignInDue(exchange, error)) sendToSignIn(exchange);
    else refuse(dispatcher, exchange, error);
  }
}

function isSignInDue({ method, incoming }: Exchange, error: unknown): boolean {
  const isPerson = incoming.headers.accept?.includes('text/html') === true;
  return method === 'GET' && isPerson && isDomainError(error, 'auth_required');
}

function sendToSignIn(exchange: Exchange): void {
  const location = `/sign-in?to=${encodeURIComponent(exchange.target?.raw ?? '/')}`;
  send(exchange, { status: 303, headers: { Location: location }, text: '' });
}

/** Refuses what no route answers: 405 with `Allow` when the path exists for other methods, else 404. Never rejects. */
export async function dispatchNowhere(
  dispatcher: Dispatcher,
  exchange: Exchange,
  allowed: ReadonlySet<string>,
): Promise<void> {
  try {
    dispatcher.rateLimit.countAddress(exchange);
    if (allowed.size === 0) throw domainError('not_found', 'No such route.');
    exchange.outgoing.setHeader('Allow', [...allowed].sort().join(', '));
    throw domainError('method_not_allowed', `Use one of: ${[...allowed].sort().join(', ')}.`);
  } catch (error) {
    refuse(dispatcher, exchange, error);
  }
}

/** Refuses a request whose head is not sound; counted by address like everything without credentials. Never rejects. */
export async function refuseHead(dispatcher: Dispatcher, exchange: Exchange, reason: unknown): Promise<void> {
  try {
    dispatcher.rateLimit.countAddress(exchange);
    throw reason;
  } catch (error) {
    refuse(dispatcher, exchange, error);
  }
}
