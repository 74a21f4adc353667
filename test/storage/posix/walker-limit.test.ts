import { describe, expect, it } from 'vitest';
import {
  createWalkerLimit,
  type Limit,
  nextLimit,
  takeTurns,
} from '../../../storage/posix/walks/walker-limit.ts';

const bounds = { walkersMin: 2, walkersMax: 12 };

function next(given: Limit, waitShare: number, isFull = true): Limit {
  return nextLimit(given, { waitShare, isFull }, bounds);
}

/**
 * Crews of several workers on a machine that does nothing else: calls wait `storageUs` for storage and take `processorUs` of a
 * processor. @returns the walkers that may be at work in each, look by look
 */
function settle(options: {
  readonly crews: number;
  readonly processors: number;
  readonly storageUs: number;
  readonly processorUs: number;
  readonly looks: number;
}): number[][] {
  const { crews, processors, storageUs, processorUs } = options;
  let limits: Limit[] = Array.from({ length: crews }, () => ({ walkers: 12, wasCrowded: false }));
  const seen: number[][] = [];
  for (let look = 0; look < options.looks; look += 1) {
    const walkers = limits.reduce((sum, limit) => sum + limit.walkers, 0);
    const callUs = storageUs + processorUs;
    const turnUs = Math.max(callUs, (walkers * processorUs) / processors);
    limits = limits.map((limit) => next(limit, (turnUs - callUs) / turnUs));
    seen.push(limits.map((limit) => limit.walkers));
  }
  return seen;
}

describe('how many walkers may be at work', () => {
  it('falls at once to what the processors serve when most of them stand in line, never below the fewest', () => {
    expect(next({ walkers: 12, wasCrowded: false }, 0.77)).toEqual({ walkers: 4, wasCrowded: true });
    expect(next({ walkers: 12, wasCrowded: false }, 0.97)).toEqual({ walkers: 2, wasCrowded: true });
    expect(next({ walkers: 2, wasCrowded: true }, 1).walkers).toBe(2);
  });

  it('stays where some stand in line, and where not all that may be are at work', () => {
    expect(next({ walkers: 6, wasCrowded: true }, 0.4).walkers).toBe(6);
    expect(next({ walkers: 6, wasCrowded: true }, 0.05, false).walkers).toBe(6);
  });

  it('grows where there is room: by leaps until there were too many once, then by steps', () => {
    expect(next({ walkers: 2, wasCrowded: false }, 0)).toEqual({ walkers: 6, wasCrowded: false });
    expect(next({ walkers: 6, wasCrowded: false }, 0)).toEqual({ walkers: 12, wasCrowded: false });
    expect(next({ walkers: 12, wasCrowded: false }, 0).walkers).toBe(12);
    expect(next({ walkers: 4, wasCrowded: true }, 0.05).walkers).toBe(6);
    expect(next({ walkers: 8, wasCrowded: true }, 0.05).walkers).toBe(12);
  });

  it('settles within two looks where four workers share two processors, and gives all of them where calls take long', () => {
    const near = settle({ crews: 4, processors: 2, storageUs: 200, processorUs: 45, looks: 20 });
    expect(near[0]).toEqual([4, 4, 4, 4]);
    for (const walkers of near.slice(1)) expect(Math.max(...walkers)).toBeLessThanOrEqual(5);
    const far = settle({ crews: 4, processors: 2, storageUs: 5_000, processorUs: 100, looks: 3 });
    expect(far.at(-1)).toEqual([12, 12, 12, 12]);
  });
});

describe('walkers that take turns', () => {
  it('stand still while there are too many, and go on as others are through', () => {
    expect(takeTurns({ room: -3, isAtWork: true, paused: 2 })).toEqual({ isPaused: true, resumed: 0 });
    expect(takeTurns({ room: -3, isAtWork: false, paused: 2 })).toEqual({ isPaused: false, resumed: 0 });
    expect(takeTurns({ room: 1, isAtWork: false, paused: 2 })).toEqual({ isPaused: false, resumed: 1 });
    expect(takeTurns({ room: 5, isAtWork: true, paused: 2 })).toEqual({ isPaused: false, resumed: 2 });
  });

  it('change places with those that stand still, and keep theirs when nobody does', () => {
    expect(takeTurns({ room: 0, isAtWork: true, paused: 2 })).toEqual({ isPaused: true, resumed: 1 });
    expect(takeTurns({ room: 0, isAtWork: true, paused: 0 })).toEqual({ isPaused: false, resumed: 0 });
  });
});

describe('a limit that learns', () => {
  it('is the most where the kernel does not tell who stands in line, and the fewest at first', () => {
    const limit = createWalkerLimit(bounds);
    expect(limit.walkers()).toBe(2);
    limit.learn(null, 2);
    expect(limit.walkers()).toBe(12);
  });

  it('judges by enough work, and never by work that began before it last did', () => {
    let now = 1_000;
    const limit = createWalkerLimit(bounds, () => now);
    limit.learn({ workMs: 70, waitMs: 0 }, 2);
    expect(limit.walkers()).toBe(2);
    limit.learn({ workMs: 70, waitMs: 0 }, 2);
    expect(limit.walkers()).toBe(6);
    now = 1_030;
    limit.learn({ workMs: 1_000, waitMs: 990 }, 6);
    expect(limit.walkers()).toBe(6);
    now = 2_100;
    limit.learn({ workMs: 1_000, waitMs: 990 }, 6);
    expect(limit.walkers()).toBe(2);
  });
});
