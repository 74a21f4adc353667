import { createHash } from 'node:crypto';

/** Random choices that a seed repeats. */
export interface Dice {
  /** A whole number from 0 to `end - 1`. */
  below(end: number): number;
  /** A whole number from `min` to `max`. */
  between(min: number, max: number): number;
  /** Whether something with this probability happens. */
  happens(probability: number): boolean;
  /** One member of a list that is not empty. */
  pick<T>(list: readonly T[]): T;
  /** Up to `count` different members. */
  some<T>(list: readonly T[], count: number): T[];
  /** Bytes that no other call answers. */
  bytes(length: number): Buffer;
}

/** Makes dice; `purpose` keeps those of one seed apart. Algorithm: mulberry32. */
export function makeDice(seed: number, purpose: string): Dice {
  let state = createHash('sha256').update(`${seed}/${purpose}`).digest().readUInt32LE(0);
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end: number) => Math.floor(next() * end);
  const pick = <T>(list: readonly T[]): T => {
    const found = list[below(list.length)];
    if (found === undefined) throw new Error('There is nothing to pick from.');
    return found;
  };
  let fills = 0;
  return {
    below,
    between: (min, max) => min + below(max - min + 1),
    happens: (probability) => next() < probability,
    pick,
    some: (list, count) => {
      const rest = [...list];
      return Array.from({ length: Math.min(count, rest.length) }, () =>
        rest.splice(below(rest.length), 1),
      ).flat();
    },
    bytes: (length) => {
      fills += 1;
      const block = createHash('sha512').update(`${seed}/${purpose}/${fills}`).digest();
      const bytes = Buffer.alloc(length, block);
      // Every block of the file differs, so that a part of it in a wrong place shows.
      for (let at = 0; at + 4 <= length; at += 4096) bytes.writeUInt32LE(at, at);
      return bytes;
    },
  };
}
