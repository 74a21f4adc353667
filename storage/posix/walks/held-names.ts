import type { ReadEntry } from '../handles/directory-sync.ts';
import type { ByteName } from '../handles/entry-name.ts';
import { cutEvenly, type Demand, sharesOf, type TreePart } from './tree-part.ts';

/** Names of files read ahead: enough to give away work that is worth a message. */
const filesMax = 4096;
/** Least number of names worth giving away before anybody waits for them. */
const worthwhile = { files: 512, directories: 16 };
/** Least files worth dividing where somebody waits: to reach half of them takes some five calls. */
const dividedFilesMin = 16;

/** Names of one directory that wait for their turn, and where more come from. */
export interface HeldNames {
  readonly files: ByteName[];
  readonly directories: ByteName[];
  /**
   * Takes the next few files, in the order of the directory: removed from its front, each is found at once, while from its
   * end the file system passes over all that is left of a block to find it.
   */
  takeFiles(count: number): ByteName[];
  /** Reads on until enough is held or the directory ends. */
  fill(): void;
  /** Whether the directory may have more names. */
  hasMore(): boolean;
  /**
   * Some of what is held for each of the takers, as much as is kept, if it is enough for the demand; those that would come last.
   * Where somebody waits, a directory is enough, or files for two steps, and for what it takes to reach them. The `last` directory is given only by who has
   * something else left: two who pass on a chain of directories, one by one, only wait for each other.
   * @returns what each one gets; nothing when there is not enough, fewer than there are takers when it is little
   */
  split(
    demand: Demand,
    options: { readonly last: 'keep' | 'give'; readonly stepEntries: number; readonly takers: number },
  ): readonly NonNullable<TreePart['names']>[];
  /** Stops reading. */
  close(): void;
}

function* noRuns(): Generator<readonly ReadEntry[], void, undefined> {}

/** Holds names that are known already. */
export function holdGiven(names: NonNullable<TreePart['names']>): HeldNames {
  const held = holdNames(noRuns());
  held.files.push(...names.files);
  held.directories.push(...names.directories);
  return held;
}

/** Holds the names that `reader` gives, a run at a time as long as there are fewer than `directoriesMax` directories. */
export function holdNames(
  reader: Generator<readonly ReadEntry[], void, undefined>,
  directoriesMax = Number.POSITIVE_INFINITY,
): HeldNames {
  const files: ByteName[] = [];
  const directories: ByteName[] = [];
  let isAtEnd = false;
  const hold = (run: readonly ReadEntry[]): void => {
    for (const { name, type } of run) (type === 'directory' ? directories : files).push(name);
  };
  return {
    files,
    directories,
    fill() {
      while (!isAtEnd && files.length < filesMax && directories.length < directoriesMax) {
        const { value, done } = reader.next();
        if (done) isAtEnd = true;
        else hold(value);
      }
    },
    takeFiles: (count) => files.splice(0, count),
    hasMore: () => !isAtEnd,
    split(demand, { last, stepEntries, takers }) {
      const least =
        demand === 'at_once'
          ? { files: Math.max(dividedFilesMin, 2 * stepEntries), directories: 1 }
          : worthwhile;
      const kept = last === 'keep' && files.length === 0 ? 1 : 0;
      const given = directories.length < least.directories ? 0 : sharesOf(directories.length, takers, kept);
      if (given > 0) {
        const runs = cutEvenly(directories.splice(0, given), takers);
        return runs.map((run) => ({ files: [], directories: run }));
      }
      if (files.length < least.files) return [];
      const served = Math.max(1, Math.min(takers, Math.floor((2 * files.length) / least.files) - 1));
      const runs = cutEvenly(files.splice(files.length - sharesOf(files.length, served, 1)), served);
      return runs.map((run) => ({ files: run, directories: [] }));
    },
    close() {
      reader.return();
    },
  };
}
