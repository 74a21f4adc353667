import { describe, expect, it } from 'vitest';
import { rateSpanOf, rateUsed, rateWaitSeconds } from '../../domain/rate-window.ts';

const span = 900_000;

/** Plays calls at a steady interval through the counters of two spans. */
function playSteady(everyMs: number, forMs: number): number[] {
  const counts = new Map<number, number>();
  const used: number[] = [];
  for (let now = 0; now < forMs; now += everyMs) {
    const at = rateSpanOf(now);
    counts.set(at, (counts.get(at) ?? 0) + 1);
    used.push(rateUsed({ previous: counts.get(at - 1) ?? 0, current: counts.get(at) ?? 0 }, now));
  }
  return used;
}

describe('the rolling window', () => {
  it('counts a steady caller as what falls into 900 s, give or take one, at any moment', () => {
    const used = playSteady(1_000, 5 * span);
    expect(Math.max(...used)).toBeLessThanOrEqual(901);
    expect(Math.min(...used.slice(1_000))).toBeGreaterThanOrEqual(899);
  });

  it('does not give the whole limit back at the turn of a span', () => {
    const full = { previous: 100, current: 0 };
    expect(rateUsed(full, 10 * span)).toBe(100);
    expect(rateUsed(full, 10 * span + span / 2)).toBe(50);
    expect(rateUsed(full, 11 * span - 1)).toBe(0);
  });

  it.each([
    { previous: 100, current: 0, at: 0 },
    { previous: 100, current: 60, at: 0.1 },
    { previous: 0, current: 100, at: 0.5 },
    { previous: 1_000, current: 99, at: 0.99 },
    { previous: 7, current: 250, at: 0 },
  ])('tells a wait after which there is room, and not much earlier: %o', ({ previous, current, at }) => {
    const limit = 100;
    const now = 10 * span + at * span;
    const usedAfter = (seconds: number) => {
      const later = now + seconds * 1_000;
      const isNext = rateSpanOf(later) > rateSpanOf(now);
      return rateUsed(isNext ? { previous: current, current: 0 } : { previous, current }, later);
    };
    const wait = rateWaitSeconds({ previous, current }, limit, now);
    expect(usedAfter(wait)).toBeLessThanOrEqual(limit);
    if (wait > 15) expect(usedAfter(wait - 15)).toBeGreaterThanOrEqual(limit);
  });
});
