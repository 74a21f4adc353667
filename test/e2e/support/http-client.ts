import { Agent, type IncomingMessage, request as openRequest } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { multipart, type Part } from './multipart.ts';
import { basicHeader, type Keypair, signatureHeader, signatureOf } from './signature.ts';

/** A value of a query: a list becomes repeated parameters. */
export type Query = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** How a request proves who sends it. `none` sends no Authorization; `hmac` without `version` signs the body. */
export type Auth = 'basic' | 'none' | { readonly hmac: { readonly version?: string } };

/** What to send besides method and path. At most one of `json`, `parts` and `body`. */
export interface CallOptions {
  readonly query?: Query;
  readonly json?: unknown;
  readonly parts?: readonly Part[];
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>;
  /** Sent beside, and instead of, what the options above lead to. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Default `basic`. */
  readonly auth?: Auth;
  readonly signal?: AbortSignal;
}

/** A whole answer. `json` is `undefined` unless the content type is a JSON one. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: Buffer;
  readonly text: string;
  readonly json: unknown;
}

/** Someone who talks to a service. All methods may be used concurrently. */
export interface Client {
  readonly url: string;
  readonly keypair: Keypair | undefined;
  /**
   * Sends a request and reads the whole answer, whatever its status. `path` is percent-encoded already and may hold a
   * query. Rejects only when the connection fails.
   *
   *     await ada.call('POST', '/folders', { json: { name: 'a' } });
   */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** As `call`, but resolves at the head; the body is the stream, which must be read or destroyed. */
  open(method: string, path: string, options?: CallOptions): Promise<IncomingMessage>;
  /** Closes idle connections. */
  close(): void;
}

/**
 * Sees every answer that `call` read, before the test does; what it throws, `call` rejects with. `path` is as given to
 * `call`. For rules that hold for all answers.
 */
export type Witness = (method: string, path: string, answer: Answer) => void;

/** Percent-encodes path segments: `pathOf('folders', 'My Data', 'files')` is `/folders/My%20Data/files`. */
export function pathOf(...segments: readonly string[]): string {
  return segments.map((segment) => `/${encodeURIComponent(segment)}`).join('');
}

function withQuery(path: string, query: Query | undefined): string {
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map(
      (one) => `${encodeURIComponent(name)}=${encodeURIComponent(String(one))}`,
    ),
  );
  if (pairs.length === 0) return path;
  return `${path}${path.includes('?') ? '&' : '?'}${pairs.join('&')}`;
}

interface Payload {
  readonly contentType: string | undefined;
  /** In memory when its length is known. */
  readonly body: Buffer | AsyncIterable<Uint8Array> | undefined;
}

function payloadOf({ json, parts, body }: CallOptions): Payload {
  if (json !== undefined) return { contentType: 'application/json', body: Buffer.from(JSON.stringify(json)) };
  if (parts !== undefined) return multipart(parts);
  if (typeof body === 'string' || body instanceof Uint8Array) {
    return { contentType: undefined, body: Buffer.from(body) };
  }
  return { contentType: undefined, body };
}

function signedHeaders(
  keypair: Keypair,
  request: { readonly method: string; readonly target: string; readonly host: string },
  signed: { readonly payload: Payload; readonly contentType: string; readonly version: string | undefined },
): Record<string, string> {
  const date = new Date().toISOString();
  const { payload, version } = signed;
  const signature = signatureOf(
    {
      ...request,
      date,
      day: date.slice(0, 10).replaceAll('-', ''),
      mediaType: (signed.contentType.split(';')[0] ?? '').trim().toLowerCase() || 'application/octet-stream',
      version,
      body: Buffer.isBuffer(payload.body) ? payload.body : Buffer.alloc(0),
    },
    keypair.secretKey,
  );
  return {
    'X-BackendAI-Date': date,
    ...(version === undefined ? {} : { 'X-BackendAI-Version': version }),
    Authorization: signatureHeader(keypair.accessKey, signature),
  };
}

function mergeHeaders(
  base: Readonly<Record<string, string>>,
  extra: CallOptions['headers'] = {},
): Record<string, string | string[]> {
  const replaced = new Set(Object.keys(extra).map((name) => name.toLowerCase()));
  const kept = Object.entries(base).filter(([name]) => !replaced.has(name.toLowerCase()));
  const added = Object.entries(extra).map(([name, value]): [string, string | string[]] => [
    name,
    typeof value === 'string' ? value : [...value],
  ]);
  return Object.fromEntries<string | string[]>([...kept, ...added]);
}

function headersFor(
  connection: { readonly keypair: Keypair | undefined; readonly host: string },
  request: { readonly method: string; readonly target: string },
  options: CallOptions,
  payload: Payload,
): Record<string, string | string[]> {
  const { keypair, host } = connection;
  const { auth = 'basic' } = options;
  const given = Object.entries(options.headers ?? {}).find(([name]) => name.toLowerCase() === 'content-type');
  const contentType = typeof given?.[1] === 'string' ? given[1] : (payload.contentType ?? '');
  const proof = (): Record<string, string> => {
    if (keypair === undefined || auth === 'none') return {};
    if (auth === 'basic') return { Authorization: basicHeader(keypair) };
    const { version } = auth.hmac;
    return signedHeaders(keypair, { ...request, host }, { payload, contentType, version });
  };
  const base = {
    Host: host,
    ...(contentType === '' ? {} : { 'Content-Type': contentType }),
    ...(Buffer.isBuffer(payload.body) ? { 'Content-Length': String(payload.body.length) } : {}),
    ...proof(),
  };
  return mergeHeaders(base, options.headers);
}

function parseJson(headers: IncomingMessage['headers'], text: string): unknown {
  const isJson = /^application\/([\w.-]+\+)?json\b/.test(headers['content-type'] ?? '');
  return isJson && text !== '' ? JSON.parse(text) : undefined;
}

/** Makes a client of the service at `url`; without a keypair it sends no credentials. */
export function createClient(url: string, keypair?: Keypair, witness?: Witness): Client {
  const { hostname, port, host } = new URL(url);
  const agent = new Agent({ keepAlive: true });

  const open: Client['open'] = (method, path, options = {}) => {
    const target = withQuery(path, options.query);
    const payload = payloadOf(options);
    const headers = headersFor({ keypair, host }, { method, target }, options, payload);
    return new Promise((resolve, reject) => {
      const outgoing = openRequest({
        hostname,
        port,
        method,
        path: target,
        headers,
        agent,
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      outgoing.once('response', resolve);
      // A refusal that arrives before the body is sent ends in a reset after the answer; the promise is settled then.
      outgoing.on('error', reject);
      if (payload.body === undefined || Buffer.isBuffer(payload.body)) outgoing.end(payload.body);
      else pipeline(payload.body, outgoing).catch(reject);
    });
  };

  return {
    url,
    keypair,
    open,
    call: async (method, path, options) => {
      const incoming = await open(method, path, options);
      const bytes = await buffer(incoming);
      const text = bytes.toString('utf8');
      const { statusCode = 0, headers } = incoming;
      const answer = { status: statusCode, headers, bytes, text, json: parseJson(headers, text) };
      witness?.(method, path, answer);
      return answer;
    },
    close: () => agent.destroy(),
  };
}
