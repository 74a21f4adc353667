import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Span, TraceContext } from '../../domain/trace.ts';
import type { Location } from '../profiles/locate.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Peer } from './peer.ts';
import type { UnsentBytes } from './rate-guard.ts';
import type { RequestTarget } from './target.ts';

/** One request and its answer, from the first look at its head to the end of the answer. */
export interface Exchange {
  readonly requestId: string;
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly peer: Peer;
  /** The method that is meant: `X-Method-Override` of a POST, else as sent. */
  readonly method: string;
  /** `undefined` while the head was not accepted. */
  target: RequestTarget | undefined;
  /** What stands before the paths of the service as callers write them; empty without a proxy that takes it away. */
  readonly pathPrefix: string;
  /** Whose shapes the answer has; the documented ones until the head was accepted. */
  profile: Profile;
  /** The method and path that routes match; `undefined` while the head was not accepted. */
  location: Location | undefined;
  /** Hex SHA-256 that the content must have; `undefined` until the caller is known, and when none was sent along. */
  contentSha256: string | undefined;
  /** Aborted when the connection closes before the answer is complete. */
  readonly signal: AbortSignal;
  /** Tells what the kernel still holds of what was written to a socket, where the system has it. */
  readonly unsentBytes: UnsentBytes | undefined;
  /** What is recorded of the request; `undefined` where nothing is. */
  readonly span: Span | undefined;
  /** What jobs of the request belong to: its span, else the caller's; `undefined` without either. */
  readonly trace: TraceContext | undefined;
  /** For the log and the figures: which route answered, and for whom. */
  readonly note: {
    route?: { readonly method: string; readonly path: string; readonly isTransfer?: true };
    accessKey?: string;
    userId?: string;
    errorCode?: string;
    linkId?: string;
  };
  /** Tells a client that waits for it (`Expect: 100-continue`) to send the body; else does nothing. */
  continueBody(): void;
}
