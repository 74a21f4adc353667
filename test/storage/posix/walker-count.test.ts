import { describe, expect, it } from 'vitest';
import { createWalkerCount } from '../../../storage/posix/walks/walker-count.ts';
import { latencyClasses } from '../../../storage/posix/walks/walker-messages.ts';

/** So many calls that took so long. */
interface Sample {
  readonly us: number;
  readonly calls: number;
}

function samples(...given: readonly Sample[]): number[] {
  const counts: number[] = new Array(latencyClasses).fill(0);
  for (const { us, calls } of given) {
    const index = Math.floor(Math.log2(us));
    counts[index] = (counts[index] ?? 0) + calls;
  }
  return counts;
}

function wantedAfter(...given: readonly Sample[]): number {
  const count = createWalkerCount();
  count.learn(samples(...given));
  return count.wanted();
}

describe('the number of walkers', () => {
  it('is small where storage answers from memory, a few preempted calls or not', () => {
    expect(wantedAfter({ us: 9, calls: 100 })).toBe(2);
    expect(wantedAfter({ us: 20, calls: 60 }, { us: 4_000, calls: 40 })).toBe(2);
  });

  it('grows with the time of a call, up to a bound', () => {
    expect(wantedAfter({ us: 110, calls: 100 })).toBe(6);
    expect(wantedAfter({ us: 212, calls: 100 })).toBe(12);
    expect(wantedAfter({ us: 50_000, calls: 100 })).toBe(12);
  });

  it('waits for enough calls to judge by, and never falls', () => {
    const count = createWalkerCount();
    count.learn(samples({ us: 212, calls: 15 }));
    expect(count.wanted()).toBe(2);
    count.learn(samples({ us: 212, calls: 1 }));
    expect(count.wanted()).toBe(12);
    count.learn(samples({ us: 9, calls: 1_000 }));
    expect(count.wanted()).toBe(12);
  });
});
