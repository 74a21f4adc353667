import type { BigIntStats } from 'node:fs';
import { type Directory, statChild } from '../handles/directory.ts';
import { statSync } from '../handles/directory-sync.ts';
import { type ByteName, nameFromBytes } from '../handles/entry-name.ts';

/** A look that takes this long, in milliseconds, waits for storage. */
const slowMs = 0.1;
/** Looks to judge by; most of them have to be slow, for a preempted process proves nothing. */
const samples = 16;
/** Names looked at together; as many calls are under way as the bulkhead lets through. */
const aheadMax = 64;
/** What was seen ahead is looked at again when the walk comes to it later than this, in milliseconds. */
const freshMs = 1_000;

/** Looks at one name after the other, for a walk. Not for concurrent use. */
export interface Looks {
  /**
   * `lstat` of a name, or `null` when nothing has it: at once, or, where storage is far away, together with the names
   * that come next in the same directory, of which `next` gives some. It may be up to a second old then.
   */
  look(
    directory: Directory,
    name: ByteName,
    next: (count: number) => readonly ByteName[],
  ): BigIntStats | null | Promise<BigIntStats | null>;
}

interface Ahead {
  readonly seenAt: number;
  readonly found: Map<ByteName, BigIntStats | null>;
}

async function lookTogether(directory: Directory, names: readonly ByteName[]): Promise<Ahead> {
  const seenAt = performance.now();
  const stats = await Promise.all(names.map((name) => statChild(directory, nameFromBytes(name))));
  return { seenAt, found: new Map(names.map((name, index) => [name, stats[index] ?? null])) };
}

/** Starts with synchronous looks, which cost least where storage answers from memory. */
export function createLooks(): Looks {
  const aheads = new WeakMap<Directory, Ahead>();
  let isSlow = false;
  let looked = 0;
  let slow = 0;
  const learn = (ms: number): void => {
    looked += 1;
    if (ms >= slowMs) slow += 1;
    if (looked < samples) return;
    isSlow = slow * 2 > looked;
    looked = 0;
    slow = 0;
  };
  const lookNow = (directory: Directory, name: ByteName): BigIntStats | null => {
    const startedAt = performance.now();
    const stat = statSync(directory, nameFromBytes(name));
    learn(performance.now() - startedAt);
    return stat;
  };
  const lookFar = async (
    directory: Directory,
    name: ByteName,
    next: (count: number) => readonly ByteName[],
  ): Promise<BigIntStats | null> => {
    const known = aheads.get(directory);
    const isFresh = known !== undefined && performance.now() - known.seenAt < freshMs;
    const ahead =
      isFresh && known.found.has(name) ? known : await lookTogether(directory, [name, ...next(aheadMax - 1)]);
    aheads.set(directory, ahead);
    const stat = ahead.found.get(name) ?? null;
    ahead.found.delete(name);
    return stat;
  };
  return {
    look: (directory, name, next) => (isSlow ? lookFar(directory, name, next) : lookNow(directory, name)),
  };
}
