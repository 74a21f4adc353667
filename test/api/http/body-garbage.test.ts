import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { describe, expect, it } from 'vitest';
import { collectYoung, countGarbage } from '../../../api/http/body-garbage.ts';
import { eventually } from '../../support/eventually.ts';

const mib = 1024 ** 2;

describe('countGarbage', () => {
  it('collects after every 8 MiB, whatever they came in', () => {
    let collections = 0;
    const garbage = countGarbage(() => {
      collections += 1;
    });
    for (let chunk = 0; chunk < 8 * 16 * 3 - 1; chunk += 1) garbage.note(mib / 16);
    expect(collections).toBe(2);
    garbage.note(1);
    expect(collections).toBe(2);
    garbage.note(mib);
    expect(collections).toBe(3);
    garbage.note(100 * mib);
    expect(collections).toBe(4);
  });

  it('collects after 32 MiB when all of it is freed, and counts nothing twice that was collected before', () => {
    let collections = 0;
    const garbage = countGarbage(() => {
      collections += 1;
    });
    const pass = (chunks: number) => {
      for (let chunk = 0; chunk < chunks; chunk += 1) {
        garbage.note(mib / 16);
        garbage.forget(mib / 16);
      }
    };
    pass(16 * 31);
    expect(collections).toBe(0);
    pass(16);
    expect(collections).toBe(1);
    garbage.forget(100 * mib);
    garbage.note(7 * mib);
    expect(collections).toBe(1);
    garbage.note(mib);
    expect(collections).toBe(2);
  });
});

function isForcedAndYoung({ detail }: PerformanceEntry & { detail?: unknown }): boolean {
  if (typeof detail !== 'object' || detail === null || !('kind' in detail) || !('flags' in detail))
    return false;
  const isForced = (Number(detail.flags) & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) !== 0;
  return isForced && detail.kind === constants.NODE_PERFORMANCE_GC_MINOR;
}

describe('collectYoung', () => {
  it('collects the young generation once a call, and leaves what is used as it is', async () => {
    let forced = 0;
    const observer = new PerformanceObserver((list) => {
      forced += list.getEntries().filter(isForcedAndYoung).length;
    });
    observer.observe({ entryTypes: ['gc'] });
    try {
      const kept = Array.from({ length: 4 }, (_, index) => Buffer.allocUnsafeSlow(mib).fill(index));
      for (let time = 0; time < 3; time += 1) collectYoung();
      await eventually(async () => expect(forced).toBe(3));
      expect(kept.map((buffer) => buffer[mib - 1])).toEqual([0, 1, 2, 3]);
    } finally {
      observer.disconnect();
    }
  });
});
