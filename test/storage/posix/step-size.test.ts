import { describe, expect, it } from 'vitest';
import { createStepSize } from '../../../storage/posix/walks/step-size.ts';

function entriesAfter(...callsMs: readonly number[]): number {
  const size = createStepSize();
  for (const ms of callsMs) size.learn(ms);
  return size.entries();
}

describe('a step of a walk', () => {
  it('is as long as many calls where storage answers from memory', () => {
    expect(entriesAfter()).toBe(32);
    expect(entriesAfter(0.009)).toBe(32);
    expect(entriesAfter(0)).toBe(32);
  });

  it('takes no longer than a few milliseconds where calls wait, and has two entries at least', () => {
    expect(entriesAfter(0.22)).toBe(18);
    expect(entriesAfter(2)).toBe(2);
    expect(entriesAfter(500)).toBe(2);
  });

  it('is short once when one call was held up', () => {
    expect(entriesAfter(40, 0.009)).toBe(32);
  });
});
