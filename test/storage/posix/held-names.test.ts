import { describe, expect, it } from 'vitest';
import { holdGiven } from '../../../storage/posix/walks/held-names.ts';
import { cutEvenly, sharesOf } from '../../../storage/posix/walks/tree-part.ts';

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

function splitAtOnce(held: { readonly files?: number; readonly directories?: number }, takers: number) {
  const given = { files: names('f', held.files ?? 0), directories: names('d', held.directories ?? 0) };
  const all = [...given.files, ...given.directories].sort();
  const holder = holdGiven(given);
  const shares = holder.split('at_once', { last: 'keep', stepEntries: 2, takers });
  const left = [...holder.files, ...holder.directories];
  const everywhere = [...left, ...shares.flatMap(({ files, directories }) => [...files, ...directories])];
  expect(everywhere.sort()).toEqual(all);
  return {
    kept: left.length,
    sizes: shares.map(({ files, directories }) => files.length + directories.length),
  };
}

describe('names held for a walk', () => {
  it('are divided evenly among all who have nothing, and who holds them', () => {
    expect(splitAtOnce({ directories: 12 }, 5)).toEqual({ kept: 2, sizes: [2, 2, 2, 2, 2] });
    expect(splitAtOnce({ files: 100 }, 3)).toEqual({ kept: 25, sizes: [25, 25, 25] });
  });

  it('leave one directory to who has nothing else, however many ask', () => {
    expect(splitAtOnce({ directories: 3 }, 11)).toEqual({ kept: 1, sizes: [1, 1] });
    expect(splitAtOnce({ directories: 1 }, 11)).toEqual({ kept: 1, sizes: [] });
    expect(splitAtOnce({ directories: 1, files: 5 }, 1)).toEqual({ kept: 5, sizes: [1] });
  });

  it('are not divided when to reach them takes as long as to work them off', () => {
    expect(splitAtOnce({ files: 15 }, 11)).toEqual({ kept: 15, sizes: [] });
    expect(splitAtOnce({ files: 16 }, 11)).toEqual({ kept: 8, sizes: [8] });
  });
});

describe('cutting names', () => {
  it('loses none and makes no empty run', () => {
    for (let length = 0; length < 40; length += 1) {
      for (let count = 0; count < 14; count += 1) {
        const runs = cutEvenly(names('n', length), count);
        expect(runs.flat()).toEqual(names('n', length));
        expect(runs.every((run) => run.length > 0)).toBe(true);
        expect(runs.length).toBeLessThanOrEqual(Math.max(1, count));
        expect(sharesOf(length, Math.max(1, count), 1)).toBeLessThan(Math.max(1, length));
      }
    }
  });
});
