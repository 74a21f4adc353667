import type { Volume } from '../../storage/volume.ts';

/** Which call fails, with what, and whether it takes effect first (as when a server's reply is lost). */
export interface Fault {
  readonly verb: keyof Volume;
  /** Counted per verb, from 1. */
  readonly nth: number;
  readonly error: Error;
  readonly isAfterEffect?: boolean;
}

/** A volume with faults, and which of them have struck. */
export interface FaultyVolume {
  readonly volume: Volume;
  readonly struck: readonly Fault[];
}

/**
 * Wraps a volume so that chosen calls fail; everything else goes through. For tests of what stands on a volume: a
 * sweep over `nth` until `struck` stays empty has failed each call once.
 */
export function withFaults(volume: Volume, faults: readonly Fault[]): FaultyVolume {
  const struck: Fault[] = [];
  const counts = new Map<PropertyKey, number>();
  const proxy = new Proxy(volume, {
    get(target, verb, receiver) {
      const original: unknown = Reflect.get(target, verb, receiver);
      if (typeof original !== 'function') return original;
      return (...args: unknown[]): unknown => {
        const count = (counts.get(verb) ?? 0) + 1;
        counts.set(verb, count);
        const fault = faults.find((candidate) => candidate.verb === verb && candidate.nth === count);
        if (fault === undefined) return Reflect.apply(original, target, args);
        struck.push(fault);
        if (!fault.isAfterEffect) return Promise.reject(fault.error);
        return Promise.resolve(Reflect.apply(original, target, args)).then(() => Promise.reject(fault.error));
      };
    },
  });
  return { volume: proxy, struck };
}

/** One fault at the nth call of any verb. */
export interface NthFault {
  readonly nth: number;
  readonly error: Error;
  readonly isAfterEffect?: boolean;
  /** Every later call fails as well, without effect: the process is dead. */
  readonly isFinal?: boolean;
}

/** What a call of one of these answers at once; everything else answers a promise. */
const streams: ReadonlySet<PropertyKey> = new Set(['walk', 'listFolders', 'listArchives', 'listAside']);

function failingStream(error: Error): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}

/** Runs `before` ahead of every call, with the number of the call; what it throws is what the call fails with. */
export function withCalls(volume: Volume, before: (count: number) => Promise<void> | undefined): Volume {
  let count = 0;
  return new Proxy(volume, {
    get(target, verb, receiver) {
      const original: unknown = Reflect.get(target, verb, receiver);
      if (typeof original !== 'function' || streams.has(verb)) return original;
      return async (...args: unknown[]): Promise<unknown> => {
        count += 1;
        await before(count);
        return await Reflect.apply(original, target, args);
      };
    },
  });
}

/** As {@link withFaults}, counting the calls of all verbs together. */
export function withNthFault(
  volume: Volume,
  fault: NthFault,
): { readonly volume: Volume; hasStruck(): boolean } {
  let count = 0;
  const proxy = new Proxy(volume, {
    get(target, verb, receiver) {
      const original: unknown = Reflect.get(target, verb, receiver);
      if (typeof original !== 'function') return original;
      return (...args: unknown[]): unknown => {
        count += 1;
        const call = () => Reflect.apply(original, target, args);
        if (count < fault.nth || (count > fault.nth && fault.isFinal !== true)) return call();
        if (streams.has(verb)) return failingStream(fault.error);
        if (count > fault.nth || fault.isAfterEffect !== true) return Promise.reject(fault.error);
        return Promise.resolve(call()).then(() => Promise.reject(fault.error));
      };
    },
  });
  return { volume: proxy, hasStruck: () => count >= fault.nth };
}
