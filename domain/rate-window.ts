/** Length of the window that requests are counted in. */
export const rateWindowSeconds = 900;
const windowMs = rateWindowSeconds * 1000;

/** Requests counted in one span of 900 s since 1970, and in the span before. */
export interface RateCounts {
  readonly previous: number;
  readonly current: number;
}

/** The number of the span that holds a moment, in milliseconds since 1970. */
export function rateSpanOf(nowMs: number): number {
  return Math.floor(nowMs / windowMs);
}

/**
 * How many requests fall into the 900 s before `nowMs`: all of this span, and of the one before the share that the window
 * still covers, taken as spread evenly. It is exact for a steady caller and off by less than a span's count for others.
 */
export function rateUsed({ previous, current }: RateCounts, nowMs: number): number {
  const isPast = (nowMs % windowMs) / windowMs;
  return current + Math.floor(previous * (1 - isPast));
}

/** Whole seconds until one more request is below `limit`, if none comes meanwhile; at least 1. */
export function rateWaitSeconds(counts: RateCounts, limit: number, nowMs: number): number {
  const restMs = windowMs - (nowMs % windowMs);
  const { previous, current } = counts;
  // The share of the older count that may still be inside when there is room again.
  const waitMs =
    current < limit
      ? restMs - (windowMs * (limit - current)) / Math.max(previous, 1)
      : restMs + windowMs - (windowMs * limit) / current;
  return Math.max(1, Math.ceil(waitMs / 1000));
}
