import type { LentName, WalkedEntry } from '../volume.ts';

/** Directories kept open at most; entries of further ones are found again by walking down. */
const directoriesMax = 64;

/** Keeps the places of walked files for as long as it takes to come back to them, while the walk goes on. */
export interface HeldPlaces {
  /** The same entry, whose place is lent at once and held until it was used, or until `release`. */
  hold(walked: WalkedEntry): WalkedEntry;
  /** Gives back every place that was not used. */
  release(): void;
}

/** Holds nothing yet. */
export function createHeldPlaces(): HeldPlaces {
  const unused = new Set<() => void>();
  const directories = new Set<string>();
  const canHold = ({ path }: WalkedEntry): boolean => {
    const parent = path.slice(0, -1).join('/');
    if (directories.size < directoriesMax) directories.add(parent);
    return directories.has(parent);
  };
  return {
    hold(walked) {
      if (walked.stat.kind !== 'file' || !canHold(walked)) return walked;
      let letGo: () => void = () => undefined;
      const until = new Promise<void>((resolve) => {
        letGo = resolve;
      });
      unused.add(letGo);
      const held = new Promise<LentName>((resolve, reject) => {
        const keep = (lent: LentName) => {
          resolve(lent);
          return until;
        };
        walked.lend(keep).catch(reject);
      });
      // Met by whoever uses the place, if anybody does.
      held.catch(() => undefined);
      return {
        ...walked,
        lend: async (use) => {
          // From here on it is held by its user, whatever `release` does.
          unused.delete(letGo);
          try {
            return await use(await held);
          } finally {
            letGo();
          }
        },
      };
    },
    release() {
      directories.clear();
      for (const letGo of unused) letGo();
      unused.clear();
    },
  };
}
