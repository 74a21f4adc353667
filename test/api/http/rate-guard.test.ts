import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { guardRate, type Transfer } from '../../../api/http/rate-guard.ts';

const pace = { windowMs: 600, bytesMin: 100 };
/** A step of the window. */
const stepMs = 100;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Runs a guard over what a peer acknowledges and what the kernel tells of it, step by step. @returns whether it was cut */
async function isCut(
  steps: readonly { readonly acked: number; readonly handed: number; readonly told?: number | null }[],
): Promise<boolean> {
  let at = 0;
  let isTooSlow = false;
  const step = () => steps[Math.min(at, steps.length - 1)] ?? { acked: 0, handed: 0 };
  const transfer: Transfer = {
    bytesMoved: () => step().handed,
    bytesOnTheWay: async () => {
      const { acked, handed, told = handed - acked } = step();
      return told;
    },
    isPeerDue: () => true,
    onTooSlow: () => {
      isTooSlow = true;
    },
  };
  const stop = guardRate(transfer, pace);
  for (; at < steps.length; at += 1) await vi.advanceTimersByTimeAsync(stepMs);
  stop();
  return isTooSlow;
}

const range = Array.from({ length: 40 }, (_, index) => index);

describe('guardRate', () => {
  it('cuts a peer that acknowledges too little, however much the kernel took', async () => {
    expect(await isCut(range.map((index) => ({ acked: index, handed: 1e6 })))).toBe(true);
  });

  it('bears one that acknowledges enough', async () => {
    expect(await isCut(range.map((index) => ({ acked: 20 * index, handed: 1e6 })))).toBe(false);
  });

  it('bears one that the kernel now and then does not tell of', async () => {
    const steps = range.map((index) => ({
      acked: 20 * index,
      handed: 1e6,
      ...(index % 5 === 3 ? { told: null } : {}),
    }));
    expect(await isCut(steps)).toBe(false);
  });

  it('cuts one that takes nothing and that the kernel never tells of', async () => {
    expect(await isCut(range.map(() => ({ acked: 0, handed: 1e6, told: null })))).toBe(true);
  });

  it('does not count against a peer what is handed over while the kernel is asked', async () => {
    let acked = 0;
    let handed = 1e6;
    let isTooSlow = false;
    const stop = guardRate(
      {
        bytesMoved: () => handed,
        bytesOnTheWay: async () => {
          acked += 20;
          const told = handed - acked;
          // The kernel made room in a lump, once.
          if (acked === 40) handed += 1e6;
          return told;
        },
        isPeerDue: () => true,
        onTooSlow: () => {
          isTooSlow = true;
        },
      },
      pace,
    );
    await vi.advanceTimersByTimeAsync(40 * stepMs);
    stop();
    expect(isTooSlow).toBe(false);
  });
});
