import { describe, expect, it } from 'vitest';
import { readerOf } from '../../metrics/collector.ts';

describe('a figure that has to be asked for', () => {
  it('is asked for once, however many want it at the same time', async () => {
    let asked = 0;
    const read = readerOf({ freshMs: 60_000, deadlineMs: 10_000, load: async () => ++asked });
    expect(await Promise.all([read(), read(), read()])).toEqual([1, 1, 1]);
    expect(await read()).toBe(1);
  });

  it('is absent when it is late, is not asked for again meanwhile, and serves those who come when it is there', async () => {
    let asked = 0;
    let answer: (text: string) => void = () => undefined;
    const load = () => {
      asked += 1;
      return new Promise<string>((resolve) => {
        answer = resolve;
      });
    };
    const read = readerOf({ freshMs: 60_000, deadlineMs: 5, load });
    expect(await read()).toBeUndefined();
    expect(await read()).toBeUndefined();
    expect(asked).toBe(1);
    answer('late');
    expect(await read()).toBe('late');
  });

  it('is absent when it fails, and a part in trouble is not asked more often than one that is well', async () => {
    let asked = 0;
    const load = async () => {
      asked += 1;
      throw new Error('away');
    };
    const read = readerOf({ freshMs: 60_000, deadlineMs: 1_000, load });
    expect([await read(), await read()]).toEqual([undefined, undefined]);
    expect(asked).toBe(1);
  });
});
