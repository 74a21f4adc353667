import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import type { z } from 'zod';
import { type Credentials, proofOf, requireSendable } from './credentials.ts';
import { ConnectionError, InputError, ProblemError, ReplyError } from './errors.ts';
import { exchange, isDistrust, type Reply } from './exchange.ts';
import { isPassing, openPatience, type RetryPolicy, retryAfterMs, usualRetries } from './retry.ts';

/** What to send besides method and path. At most one of `json` and `bytes`. */
export interface CallOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  readonly json?: unknown;
  readonly bytes?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  readonly retries?: RetryPolicy;
  /**
   * A change that may be made twice, which then carries no `Idempotency-Key`: a repeat need not wait until the service knows
   * what became of the first try.
   */
  readonly isRepeatable?: boolean;
  /** Statuses that are answers and no refusals, besides 2xx. */
  readonly accepts?: readonly number[];
  /** Hears how many bytes of `bytes` were handed to the connection; negative when they go out again. */
  readonly onSent?: ((bytes: number) => void) | undefined;
}

/** A way to one service as one caller. All methods may be used concurrently. */
export interface Http {
  readonly url: URL;
  /**
   * Sends a request and answers the response with its body unread. `path` is percent-encoded. A change carries an
   * `Idempotency-Key`, so that repeating it after a lost connection makes it once, unless it may be made twice.
   * @throws ProblemError, ConnectionError
   */
  send(method: string, path: string, options?: CallOptions): Promise<Reply>;
  /** As `send`, for a change whose answer has nothing to read. */
  change(method: string, path: string, json?: unknown): Promise<void>;
  /** As `send`, with the JSON of the reply checked. @throws ReplyError too */
  read<T>(method: string, path: string, schema: z.ZodType<T>, options?: CallOptions): Promise<T>;
}

/** How to reach a service. */
export interface HttpOptions {
  readonly url: string;
  readonly credentials: Credentials;
  readonly userAgent: string;
  readonly retries?: RetryPolicy;
  /** Ends every call that has no signal of its own. */
  readonly signal?: AbortSignal;
  /** Hears of every wait before a request is repeated. */
  readonly onRetry?: (reason: string) => void;
}

const readTriesMax = 3;

/** Percent-encodes path segments: `pathOf('folders', 'My Data')` is `/folders/My%20Data`. */
export function pathOf(...segments: readonly string[]): string {
  return segments.map((segment) => `/${encodeURIComponent(segment)}`).join('');
}

/** Opens a way to a service; nothing is sent yet. @throws InputError when the url is none, or no header can carry the credentials */
export function openHttp(options: HttpOptions): Http {
  requireSendable(options.credentials);
  const base = parseBase(options.url);
  const send: Http['send'] = async (method, path, given = {}) => {
    const call = { ...given, signal: given.signal ?? options.signal };
    const request = prepare(options, { method, url: withQuery(base, path, call.query) }, call);
    return sendPatiently(options, request, call);
  };
  return {
    url: base,
    send,
    change: async (method, path, json) => {
      const response = await send(method, path, json === undefined ? {} : { json });
      response.discard();
    },
    read: async (method, path, schema, call) => {
      const again = method === 'GET' ? () => send(method, path, call) : undefined;
      return readWhole(await send(method, path, call), schema, again);
    },
  };
}

/** What breaks off in the middle of an answer can be asked for again, unless it was a change. */
async function readWhole<T>(
  first: Reply,
  schema: z.ZodType<T>,
  again: (() => Promise<Reply>) | undefined,
): Promise<T> {
  let response = first;
  for (let triesLeft = readTriesMax; ; triesLeft -= 1) {
    try {
      return await parseReply(response, schema);
    } catch (error) {
      if (!(error instanceof ConnectionError) || again === undefined || triesLeft <= 1) throw error;
    }
    response = await again();
  }
}

function parseBase(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (isHttp && url.username === '' && url.password === '') return url;
  if (isHttp) throw new InputError('The address of a service has no user and no password in it.');
  throw new InputError(`"${text}" is not the address of a service, such as http://127.0.0.1:8080.`);
}

function withQuery(base: URL, path: string, query: CallOptions['query'] = {}): URL {
  const url = new URL(`${base.pathname.replace(/\/+$/, '')}${path}`, base);
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(one));
  }
  // The service percent-decodes; the form encoding of URLSearchParams would make a plus of a space.
  if (url.search !== '') url.search = url.search.replaceAll('+', '%20');
  return url;
}

interface Prepared {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly contentType: string | undefined;
  readonly bytes: Uint8Array | undefined;
}

function prepare(
  options: HttpOptions,
  target: { readonly method: string; readonly url: URL },
  call: CallOptions,
): Prepared {
  const bytes = call.json === undefined ? call.bytes : Buffer.from(JSON.stringify(call.json));
  const given = call.headers?.['Content-Type'];
  const contentType = given ?? (call.json === undefined ? undefined : 'application/json');
  const isOnce = call.isRepeatable !== true && !['GET', 'HEAD', 'OPTIONS', 'PATCH'].includes(target.method);
  const headers = {
    'User-Agent': options.userAgent,
    Accept: 'application/json, */*',
    'Accept-Encoding': 'identity',
    ...(isOnce ? { 'Idempotency-Key': randomUUID() } : {}),
    ...(contentType === undefined ? {} : { 'Content-Type': contentType }),
    ...call.headers,
  };
  return { ...target, headers, contentType, bytes };
}

async function sendOnce(
  { credentials }: HttpOptions,
  request: Prepared,
  { signal }: CallOptions,
  onSent: (bytes: number) => void,
): Promise<Reply> {
  const { method, url, contentType, bytes } = request;
  // The proof is made for every try: a signature that covers the content is good for one.
  const proof = proofOf(credentials, { method, url, contentType, body: bytes });
  return exchange({ method, url, headers: { ...request.headers, ...proof }, bytes, signal, onSent });
}

/** What came of one try: an answer, or why there is none and whether it may come later. */
type Outcome =
  | { readonly response: Reply }
  | { readonly failure: Error; readonly isPassing: boolean; readonly waitMs: number };

async function judge(response: Reply, call: CallOptions): Promise<Outcome> {
  if (response.ok || call.accepts?.includes(response.status) === true) return { response };
  const retryAfter = response.headers.get('retry-after');
  return {
    failure: await problemOf(response),
    isPassing: isPassing(response.status, retryAfter),
    waitMs: retryAfterMs(retryAfter, Date.now()),
  };
}

/** Tries once. Bytes that were sent for nothing are taken back from the count. */
async function attempt(options: HttpOptions, request: Prepared, call: CallOptions): Promise<Outcome> {
  let sentBytes = 0;
  let isOver = false;
  const onSent = (bytes: number) => {
    if (isOver) return;
    sentBytes += bytes;
    call.onSent?.(bytes);
  };
  const sent = sendOnce(options, request, call, onSent).then((response) => judge(response, call));
  const outcome = await sent.catch((error: unknown): Outcome => {
    if (call.signal?.aborted === true) throw error;
    const failure = connectionError(request.url, error);
    return { failure, isPassing: !failure.isLasting, waitMs: 0 };
  });
  isOver = true;
  // What was answered well before all of it was sent need not be sent.
  const wantedBytes = 'failure' in outcome ? 0 : (request.bytes?.byteLength ?? 0);
  if (wantedBytes !== sentBytes) call.onSent?.(wantedBytes - sentBytes);
  return outcome;
}

async function sendPatiently(options: HttpOptions, request: Prepared, call: CallOptions): Promise<Reply> {
  const patience = openPatience(call.retries ?? options.retries ?? usualRetries, call.signal);
  for (;;) {
    const outcome = await attempt(options, request, call);
    if ('response' in outcome) return outcome.response;
    const { failure, waitMs } = outcome;
    if (!outcome.isPassing) throw failure;
    options.onRetry?.(failure.message);
    if (!(await patience.wait(waitMs))) throw failure;
  }
}

/** The system's own words may lie in the causes of what was thrown. */
function connectionError(url: URL, error: unknown): ConnectionError {
  let deepest: unknown = error;
  while (deepest instanceof Error && deepest.cause !== undefined) deepest = deepest.cause;
  const code =
    deepest instanceof Error && 'code' in deepest && typeof deepest.code === 'string'
      ? deepest.code
      : undefined;
  const reason = code ?? (deepest instanceof Error ? deepest.message : String(deepest));
  if (isDistrust(deepest)) {
    const detail = `The certificate of ${url.origin} is not trusted (${reason}); NODE_EXTRA_CA_CERTS may name a file with the authority that signed it.`;
    return new ConnectionError(detail, error, { isLasting: true });
  }
  if (reason === 'EPROTO' || reason.startsWith('ERR_SSL_')) {
    return new ConnectionError(`${url.origin} does not speak TLS as this program does (${reason}).`, error, {
      isLasting: true,
    });
  }
  return new ConnectionError(`${url.origin} cannot be reached (${reason}).`, error);
}

async function problemOf(response: Reply): Promise<ProblemError> {
  const text = await response.text().catch(() => '');
  const isProblem = response.headers.get('content-type')?.includes('json') === true;
  // The service itself answers with a problem always.
  const name = STATUS_CODES[response.status];
  const answer = name === undefined ? response.status : `${response.status} (${name})`;
  const fallback = { title: `What is in front of the service answered ${answer}.`, status: response.status };
  return new ProblemError(response.status, isProblem ? recordOf(text, fallback) : fallback);
}

function recordOf(text: string, fallback: Record<string, unknown>): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : fallback;
  } catch {
    return fallback;
  }
}

/** Checks the JSON of a reply. @throws ReplyError, ConnectionError */
export async function parseReply<T>(response: Reply, schema: z.ZodType<T>): Promise<T> {
  const text = await response.text().catch((error: unknown) => {
    throw connectionError(response.url, error);
  });
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ReplyError(`${response.url.origin} does not answer as a VFolder service does.`, cause);
  }
}
