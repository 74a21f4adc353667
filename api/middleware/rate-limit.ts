import { RateLimiterMemory } from 'rate-limiter-flexible';
import { domainError } from '../../domain/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import { rateKeyOf } from '../http/peer.ts';

/** Length of the window that requests are counted in. */
export const rateWindowSeconds = 900;

/** Counts requests, tells the caller in headers how many are left, and refuses when none are. */
export interface RateLimit {
  /** Counts a request of a keypair. @throws rate_limited */
  countKey(exchange: Exchange, accessKey: string): Promise<void>;
  /** Counts a request without proven credentials, by address. @throws rate_limited */
  countAddress(exchange: Exchange): Promise<void>;
}

/**
 * Makes a limit of `requestsMax` per window for each keypair and, apart from that, for each address (an IPv6 /64 is one).
 * Counts live in this process: with several API processes each allows the full number.
 */
export function createRateLimit(requestsMax: number): RateLimit {
  const limiter = new RateLimiterMemory({ points: requestsMax, duration: rateWindowSeconds });
  async function count(exchange: Exchange, key: string): Promise<void> {
    // `penalty` counts and answers; `consume` would throw something that is not an error.
    const { consumedPoints, msBeforeNext } = await limiter.penalty(key);
    const { outgoing } = exchange;
    outgoing.setHeader('X-RateLimit-Limit', requestsMax);
    outgoing.setHeader('X-RateLimit-Remaining', Math.max(0, requestsMax - consumedPoints));
    outgoing.setHeader('X-RateLimit-Window', rateWindowSeconds);
    if (consumedPoints <= requestsMax) return;
    outgoing.setHeader('Retry-After', Math.max(1, Math.ceil(msBeforeNext / 1000)));
    throw domainError(
      'rate_limited',
      `At most ${requestsMax} requests are allowed in ${rateWindowSeconds} s.`,
    );
  }
  return {
    countKey: (exchange, accessKey) => count(exchange, `key:${accessKey}`),
    countAddress: (exchange) => count(exchange, `address:${rateKeyOf(exchange.peer.address)}`),
  };
}
