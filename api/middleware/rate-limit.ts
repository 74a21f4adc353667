import { domainError } from '../../domain/errors.ts';
import { rateSpanOf, rateUsed, rateWaitSeconds, rateWindowSeconds } from '../../domain/rate-window.ts';
import type { SharedRateCounts } from '../../jobs/rate-counts.ts';
import type { Exchange } from '../http/exchange.ts';
import { rateKeyOf } from '../http/peer.ts';
import type { Principal } from '../route.ts';
import { createRateTally } from './rate-tally.ts';

/** Counts requests, tells the caller in headers how many are left, and refuses when none are. */
export interface RateLimit {
  /**
   * Counts a request of a keypair or token, by what the policy of its user says, if it does. An administrator who operates the service has
   * at least {@link operatingRequestsLeast}, whatever the policy says: it is there that it is mended. @throws rate_limited
   */
  countKey(exchange: Exchange, caller: Pick<Principal, 'accessKey' | 'requestsMax'>, use: KeyUse): void;
  /** Counts a request without proven credentials, by address. @throws rate_limited */
  countAddress(exchange: Exchange): void;
  /** Hands over what is counted but not shared yet, and stops. */
  close(): Promise<void>;
}

/** What a request of a keypair is for. */
export interface KeyUse {
  /** Only administrators may do this, and the caller is one. */
  readonly isOperating: boolean;
}

/** Requests in any 900 s that a policy does not take from administrators on their own routes. */
const operatingRequestsLeast = 100;

/** What a limit is made of. */
export interface RateLimitOptions {
  /** Requests in any 900 s, for each keypair whose user's policy names none and, apart from that, for each address (an IPv6 /64 is one). */
  readonly requestsMax: number;
  /** Without it counts live in this process, and each process allows the full number. */
  readonly shared: SharedRateCounts | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * Makes a limit over a rolling window, shared by all processes. No request waits for the store: each process adds what
 * it counted once a second and learns the totals, so that together they may admit what comes in within that second, and
 * the store's answer, too many. While the store is away each process counts for itself. Refused requests do not count.
 */
export function createRateLimit({ requestsMax: usualMax, shared, now }: RateLimitOptions): RateLimit {
  const tally = createRateTally({ shared, now });
  function count(exchange: Exchange, key: string, requestsMax: number): void {
    const { outgoing } = exchange;
    // A client whose answer went out already (its connection broke) cannot be told anything.
    if (outgoing.headersSent) return;
    const nowMs = now();
    const counts = tally.read(key, rateSpanOf(nowMs));
    const used = rateUsed(counts, nowMs);
    const isRefused = used >= requestsMax;
    if (!isRefused) tally.count(key, rateSpanOf(nowMs));
    outgoing.setHeader('X-RateLimit-Limit', requestsMax);
    outgoing.setHeader('X-RateLimit-Remaining', Math.max(0, requestsMax - used - 1));
    outgoing.setHeader('X-RateLimit-Window', rateWindowSeconds);
    if (!isRefused) return;
    outgoing.setHeader('Retry-After', rateWaitSeconds(counts, requestsMax, nowMs));
    throw domainError(
      'rate_limited',
      `At most ${requestsMax} requests are allowed in ${rateWindowSeconds} s.`,
    );
  }
  return {
    countKey: (exchange, { accessKey, requestsMax }, { isOperating }) => {
      const ofPolicy =
        isOperating && requestsMax ? Math.max(requestsMax, operatingRequestsLeast) : requestsMax;
      count(exchange, `key:${accessKey}`, ofPolicy ?? usualMax);
    },
    countAddress: (exchange) => count(exchange, `address:${rateKeyOf(exchange.peer.address)}`, usualMax),
    close: () => tally.close(),
  };
}
