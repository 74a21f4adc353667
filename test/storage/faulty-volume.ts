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
