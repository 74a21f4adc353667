import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openRoomAhead } from '../../../api/uploads/room-ahead.ts';

const mib = 1024 ** 2;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Lets a stream of `bytes` use its room at `bytesPerMs`. @returns what was asked for, and how often it had to wait */
async function stream(bytes: number, bytesPerMs: number, grant: (bytes: number) => number = (all) => all) {
  const asked: number[] = [];
  const ahead = openRoomAhead(async (wanted) => {
    asked.push(wanted);
    return grant(wanted);
  });
  let waits = 0;
  let mostSpare = 0;
  let spare = 0;
  const chunk = 64 * 1024;
  for (let coming = bytes; coming > 0; ) {
    const size = Math.min(chunk, coming);
    coming -= size;
    if (spare < size) spare += await ahead.settle();
    if (spare < size) {
      waits += 1;
      spare += size + ahead.takeStep(coming);
    }
    spare -= size;
    mostSpare = Math.max(mostSpare, spare);
    ahead.consider({ spareBytes: spare, comingBytes: coming });
    vi.advanceTimersByTime(size / bytesPerMs);
  }
  spare += await ahead.settle();
  return { asked, waits, mostSpare, spare };
}

describe('openRoomAhead', () => {
  it('lets a fast stream wait once, and ask for more and more at a time', async () => {
    const { asked, waits, spare } = await stream(1024 * mib, 500_000);
    expect(waits).toBe(1);
    expect(asked.length).toBeLessThan(30);
    expect(Math.max(...asked)).toBe(64 * mib);
    expect(spare).toBe(0);
  });

  it('holds little ahead of a slow stream', async () => {
    const { asked, mostSpare } = await stream(64 * mib, 100);
    expect(new Set(asked.map((bytes) => bytes > 8 * mib))).toEqual(new Set([false]));
    expect(mostSpare).toBeLessThanOrEqual(12 * mib);
  });

  it('asks for less again when a stream becomes slow', () => {
    const ahead = openRoomAhead(async () => 0);
    const steps = [0, 10, 10, 10, 10, 5_000, 5_000].map((pauseMs) => {
      vi.advanceTimersByTime(pauseMs);
      return ahead.takeStep(Number.POSITIVE_INFINITY) / mib;
    });
    expect(steps).toEqual([8, 16, 32, 64, 64, 32, 16]);
  });

  it('never asks for more than is to come, nor for anything when all is there', async () => {
    const { asked, spare } = await stream(9 * mib + 5, 500_000);
    expect(asked.every((bytes) => bytes > 0 && bytes <= mib + 5)).toBe(true);
    expect(spare).toBe(0);
    const ahead = openRoomAhead(async (bytes) => bytes);
    ahead.consider({ spareBytes: 0, comingBytes: 0 });
    ahead.consider({ spareBytes: 100, comingBytes: 100 });
    expect(await ahead.settle()).toBe(0);
  });

  it('asks once at a time, and takes a failure for no room', async () => {
    let asks = 0;
    const ahead = openRoomAhead(async () => {
      asks += 1;
      throw new Error('planted');
    });
    for (let time = 0; time < 3; time += 1) ahead.consider({ spareBytes: 0, comingBytes: 100 });
    expect([await ahead.settle(), asks]).toEqual([0, 1]);
    ahead.consider({ spareBytes: 0, comingBytes: 100 });
    expect([await ahead.settle(), asks]).toEqual([0, 2]);
  });
});
