import type { IncomingMessage, ServerResponse } from 'node:http';
import type { z } from 'zod';
import type { Right } from '../domain/permission.ts';
import type { JobView } from '../jobs/job-client.ts';
import type { UnsentBytes } from './http/rate-guard.ts';
import type { Answers, BodyOf, ReplyOf, RouteDoc } from './openapi/answers.ts';
import type { Profile } from './profiles/profile.ts';
import type { Services } from './services.ts';

/** Who a request acts for. */
export interface Principal {
  readonly userId: string;
  readonly email: string;
  readonly role: 'user' | 'admin';
  /** The keypair's; for a token a word of ours that names it. */
  readonly accessKey: string;
  /** Requests in any 900 s that the policy of the user allows, if it says. */
  readonly requestsMax?: number | null;
  /** What the token may do that the request came with, if it came with one. */
  readonly token?: { readonly mayChange: boolean };
  /** What is stored of the session of the browser that the request came from, if it came from one. */
  readonly session?: string;
}

/** `Prefer` of RFC 7240 as far as the service honours it. */
export interface Preference {
  readonly respondAsync: boolean;
  /** From `wait=N`, in milliseconds. */
  readonly waitMs: number | undefined;
}

/** A request after routing, authentication and validation. */
export interface ApiRequest<Input> {
  readonly services: Services;
  readonly requestId: string;
  readonly principal: Principal;
  /** Whose shapes the answer has; for routes that write it themselves. */
  readonly profile: Profile;
  /** Path parameters, percent-decoded once. */
  readonly params: Readonly<Record<string, string>>;
  /** JSON body and query merged (the query wins) and validated by the route's schema. */
  readonly input: Input;
  readonly preference: Preference;
  readonly headers: IncomingMessage['headers'];
  /** Nobody between can read the request: TLS, or no network at all. */
  readonly isConfidential: boolean;
  /** Secrets may come as they are: nobody between can read them, or the installation allows it. */
  readonly takesPlainSecrets: boolean;
  /** Has the log line of the request name the link that it came by, by its id. */
  readonly noteLink: (linkId: string) => void;
  /** Where it comes from, as rate limits count: an address, or for IPv6 its /64. */
  readonly origin: string;
  /** The raw socket sides, for routes whose body is `stream` or that answer `sent`. */
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  /** Tells a client that waits for it (`Expect: 100-continue`) to send the body; for routes that `holdsContinue`. */
  readonly acceptBody: () => void;
  /**
   * For routes whose body is `stream`: reads the body to its end and compares it with the digest that was signed, if one
   * was. Nothing may be published before it resolves. @throws digest_mismatch, upload_aborted
   */
  readonly verifyBody: () => Promise<void>;
  /** Aborted when the client goes away before the answer is complete. */
  readonly signal: AbortSignal;
  /** For long answers; see `sendBody`. */
  readonly unsentBytes: UnsentBytes | undefined;
  /** Where callers reach the service, without a slash at the end: `VFOLDER_PUBLIC_URL`, else by the request's own Host. */
  readonly baseUrl: string;
}

/** A status with a JSON body, or with none. */
export interface JsonReply<Body = unknown> {
  readonly status: number;
  readonly body?: Body | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a handler answers: a JSON body (or none), or `sent` when it wrote to `outgoing` itself. */
export type Reply<Body = unknown> = JsonReply<Body> | 'sent';

/** How a route answers published clients, where that differs from the documented answer. */
export interface ClientEdge<Input, Body> {
  /** Names of parameters that clients use, each with the name that the route's schema has. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Parameters that clients write in another way, each with what turns it into what the schema takes. */
  readonly readings?: Readonly<Record<string, (given: unknown) => unknown>>;
  /**
   * Answers a client. `documented` runs the route and gives what everybody else would be answered; a problem it
   * throws becomes the client's refusal.
   */
  answer?(
    request: ApiRequest<Input>,
    documented: (request: ApiRequest<Input>) => Promise<Reply<Body>>,
  ): Promise<Reply>;
}

/** One route as data. The server and its document are built from a list of these and from nothing else. */
export interface Route<Input = unknown, A extends Answers = Answers> {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';
  /** Hono pattern, such as `/folders/:name/files`. */
  readonly path: string;
  /** `public` needs no credentials (then `principal` is the anonymous one); `admin` answers others 403. */
  readonly access: 'public' | 'user' | 'admin';
  /** The right needed on the folder named in the path; checked in the statement that loads it. `null`: no folder. */
  readonly right: Right | null;
  /** Only asks, although its method is not that of a question: nothing of it is a change. */
  readonly isQuery?: true;
  /** Not for tokens, whatever their scopes. */
  readonly isKeypairOnly?: true;
  /** `json` reads a JSON body on any method (absent is fine); `stream` leaves the body to the handler. */
  readonly body: 'json' | 'stream';
  /** The handler has reasons to refuse before the body is sent, and calls `acceptBody` once it has none. */
  readonly holdsContinue?: true;
  /** Carries content of entries: such requests last, and fewer of them are served to one keypair at the same time. */
  readonly isTransfer?: true;
  /** Answers with a stream of events, which lasts: a user has a bounded number of them. */
  readonly isStream?: true;
  /** For people with a browser: whoever is not signed in is sent to the sign-in page. */
  readonly isPage?: true;
  readonly input: z.ZodType<Input>;
  /** Headers of every answer, refusals included. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What it answers when it does not refuse, by status; nothing else compiles as a reply. */
  readonly answers: A;
  readonly doc: RouteDoc;
  readonly handle: (request: ApiRequest<Input>) => Promise<ReplyOf<NoInfer<A>>>;
  /** What the finished job of an earlier request is answered with, when the same `Idempotency-Key` comes again. Default: 202. */
  readonly finished?: (job: JobView) => ReplyOf<NoInfer<A>>;
  /** What published clients get instead. */
  readonly client?: ClientEdge<NoInfer<Input>, BodyOf<NoInfer<A>>>;
}

/** Whether a route may change something. */
export function isChange({ method, isQuery }: Pick<Route, 'method' | 'isQuery'>): boolean {
  return method !== 'GET' && method !== 'HEAD' && isQuery !== true;
}

/** Whether an `Idempotency-Key` means something to a route. */
export function isNamedChange(route: Pick<Route, 'method' | 'access' | 'isQuery'>): boolean {
  return isChange(route) && route.access !== 'public';
}

/** Checks a route's types and forgets them, so that routes of all kinds fit one list. */
export function defineRoute<Input, const A extends Answers>(route: Route<Input, A>): Route {
  // The schema and the handler agree by the type parameter; the list only ever feeds one to the other.
  // biome-ignore lint/plugin/no-type-assertion: the one place where the two meet.
  return route as unknown as Route;
}
