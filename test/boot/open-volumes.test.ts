import { expect, it } from 'vitest';
import { callsMaxPerVolume } from '../../boot/open-volumes.ts';

it('leaves threads free when every volume hangs, whatever their number', () => {
  for (let threads = 4; threads <= 1024; threads += 1) {
    for (let volumes = 1; volumes < threads / 2; volumes += 1) {
      const taken = volumes * callsMaxPerVolume({ threads, volumes });
      if (taken >= threads) expect.fail(`${volumes} volumes take ${taken} of ${threads} threads`);
    }
  }
});

it('gives a volume 16 calls when there are threads enough, and always one', () => {
  expect(callsMaxPerVolume({ threads: 64, volumes: 3 })).toBe(16);
  expect(callsMaxPerVolume({ threads: 32, volumes: 1 })).toBe(16);
  expect(callsMaxPerVolume({ threads: 1, volumes: 1 })).toBe(1);
  expect(callsMaxPerVolume({ threads: 4, volumes: 9 })).toBe(1);
});
