import { setTimeout as delay } from 'node:timers/promises';

/** How patient a client is. A restart of the service takes seconds, so the usual policy outlasts it. */
export interface RetryPolicy {
  /** Sum of all waits of one request, in milliseconds; 0 tries once. */
  readonly budgetMs: number;
  readonly firstMs: number;
  readonly mostMs: number;
}

/** Waits of a quarter of a second that double up to 5 s, for a minute and a half in all. */
export const usualRetries: RetryPolicy = { budgetMs: 90_000, firstMs: 250, mostMs: 5_000 };

/** Never tries twice. */
export const noRetries: RetryPolicy = { budgetMs: 0, firstMs: 0, mostMs: 0 };

/** The waits of one piece of work, counted together. */
export interface Patience {
  /**
   * Waits before the next try, at least `atLeastMs` where the service said so. @returns false, at once, when the budget
   * does not hold that wait
   */
  wait(atLeastMs?: number): Promise<boolean>;
  /** What was done counts: the next failure starts with short waits and the whole budget. */
  refill(): void;
}

/** Opens the patience of one piece of work. Waits are spread, so that many clients do not come back at once. */
export function openPatience(policy: RetryPolicy, signal?: AbortSignal): Patience {
  let leftMs = policy.budgetMs;
  let tries = 0;
  return {
    wait: async (atLeastMs = 0) => {
      const growing = Math.min(policy.mostMs, policy.firstMs * 2 ** tries);
      const waitMs = Math.max(atLeastMs, growing * (0.5 + Math.random() / 2));
      if (leftMs <= 0 || waitMs > leftMs) return false;
      tries += 1;
      leftMs -= waitMs;
      await delay(waitMs, undefined, signal === undefined ? {} : { signal });
      return true;
    },
    refill: () => {
      leftMs = policy.budgetMs;
      tries = 0;
    },
  };
}

/** `Retry-After` in milliseconds, from seconds or a date; 0 without one. */
export function retryAfterMs(header: string | null, nowMs: number): number {
  if (header === null) return 0;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? 0 : Math.max(0, at - nowMs);
}

/**
 * Whether the same request may succeed later: the service is overloaded, restarting or busy with it. A conflict, and a
 * folder without room, pass only when the service says when.
 */
export function isPassing(status: number, retryAfter: string | null): boolean {
  if (status === 408 || status === 423 || status === 429) return true;
  if (status === 409 || status === 507) return retryAfter !== null;
  return status === 502 || status === 503 || status === 504;
}
