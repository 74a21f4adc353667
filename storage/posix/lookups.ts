import assert from 'node:assert/strict';
import type { BigIntStats } from 'node:fs';
import type { FolderLookups } from '../volume.ts';
import { openArea, type VolumeRoot } from './folder-areas.ts';
import { checkDevice, enterChild, openOrMake, syncName } from './handles/descend.ts';
import { type Directory, syncDirectory } from './handles/directory.ts';
import { modes } from './handles/syscalls.ts';
import type { FolderArea } from './layout.ts';

/** Directories kept open at most by one run, beside those in use. */
const keptMax = 64;

/**
 * What one run has looked up in a folder, so that what many files share is looked for once. A directory stays the one that was
 * found, even when a container renames it meanwhile, as if the run had been there first; one that was removed is looked for
 * again after `forget`.
 */
export interface Lookups {
  /** Lends an area of the folder to `work`. @throws entry_not_found, volume_unavailable */
  withArea<T>(area: FolderArea, work: (directory: Directory) => Promise<T>): Promise<T>;
  /** Lends the directory at `names` below `data`. @throws entry_not_found when there is none */
  withFound<T>(names: readonly string[], work: (directory: Directory) => Promise<T>): Promise<T>;
  /**
   * Lends it too, after it and all above it were made, durably. `sync` makes durable what was done in it before; those who
   * ask for that at the same time share a sync. @throws entry_conflict when a component is no directory
   */
  withMade<T>(
    names: readonly string[],
    work: (directory: Directory, sync: () => Promise<void>) => Promise<T>,
  ): Promise<T>;
  /** Whether the directory at `names` below `data` is at hand. */
  hasFound(names: readonly string[]): boolean;
  /** How many directories were made. */
  made(): number;
  /** Closes what is open, once nobody uses it; everything is looked for again. */
  forget(): void;
}

interface Kept {
  readonly opening: Promise<Directory>;
  readonly sync: () => Promise<void>;
  isNew: boolean;
  /** What it was when it was entered. */
  entered?: BigIntStats;
  /** Resolves once no crash can take its name away. */
  named?: Promise<void>;
  users: number;
  isDropped: boolean;
}

/** Notes how a directory was opened. */
type NoteOpened = (how: Partial<Pick<Kept, 'isNew' | 'entered'>>) => void;

/**
 * A sync that begins after the call, shared by all that call before it begins. After one that failed all fail: the next one
 * would not know of what was lost.
 */
function shareSync(opening: Promise<Directory>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    next ??= running.then(async () => {
      next = undefined;
      running = opening.then(syncDirectory);
      await running;
    });
    return next;
  };
}

function closeIdle({ opening, users, isDropped }: Kept): void {
  if (!isDropped || users > 0) return;
  // An O_PATH handle closes without waiting.
  opening.then(
    (directory) => directory.close(),
    () => undefined,
  );
}

/** Lends what is kept; it is not closed before. Nothing may be awaited between finding and lending it. */
async function lend<T>(kept: Kept, work: (directory: Directory) => Promise<T>): Promise<T> {
  kept.users += 1;
  try {
    return await work(await kept.opening);
  } finally {
    kept.users -= 1;
    closeIdle(kept);
  }
}

/** Keeps directories open under keys; the least recently used goes first. */
function keepDirectories() {
  const all = new Map<string, Kept>();
  const drop = (key: string, kept: Kept): void => {
    all.delete(key);
    kept.isDropped = true;
    closeIdle(kept);
  };
  return {
    has: (key: string): boolean => all.has(key),
    find: (key: string, open: (note: NoteOpened) => Promise<Directory>): Kept => {
      const found = all.get(key);
      if (found !== undefined) {
        all.delete(key);
        all.set(key, found);
        return found;
      }
      const opening = open((how) => void Object.assign(kept, how));
      const kept: Kept = { opening, sync: shareSync(opening), isNew: false, users: 0, isDropped: false };
      all.set(key, kept);
      // What is not there may be made later.
      opening.catch(() => {
        if (all.get(key) === kept) all.delete(key);
      });
      const [oldest] = all;
      if (all.size > keptMax && oldest !== undefined) drop(...oldest);
      return kept;
    },
    clear: (): void => {
      for (const [key, kept] of [...all]) drop(key, kept);
    },
  };
}

async function enterOnDevice(parent: Directory, name: string, note: NoteOpened): Promise<Directory> {
  const child = await enterChild(parent, name, 'entry_not_found');
  try {
    note({ entered: await checkDevice(child, 'entry_not_found') });
    return child;
  } catch (error) {
    await child.close();
    throw error;
  }
}

/** Opens the lookups of one run in a folder; costs nothing until they are used. `forget` them at the end. */
export function openLookups(root: VolumeRoot, folderId: string): Lookups {
  const directories = keepDirectories();
  let made = 0;
  const withArea: Lookups['withArea'] = (area, work) =>
    lend(
      directories.find(`/${area}`, () => openArea(root, folderId, area)),
      work,
    );
  const withFound: Lookups['withFound'] = (names, work) => {
    const name = names.at(-1);
    if (name === undefined) return withArea('data', work);
    const kept = directories.find(names.join('/'), (note) =>
      withFound(names.slice(0, -1), (parent) => enterOnDevice(parent, name, note)),
    );
    return lend(kept, work);
  };
  const withMade: Lookups['withMade'] = (names, work) => {
    const name = names.at(-1);
    if (name === undefined) {
      const data = directories.find('/data', () => openArea(root, folderId, 'data'));
      return lend(data, (directory) => work(directory, data.sync));
    }
    return withMade(names.slice(0, -1), (parent) => {
      const kept = directories.find(names.join('/'), async (note) => {
        const { child, isNew } = await openOrMake(parent, name, modes.directory);
        if (isNew) {
          made += 1;
          note({ isNew });
        }
        return child;
      });
      return lend(kept, async (directory) => {
        kept.named ??= syncName(parent, directory, kept);
        await kept.named;
        return await work(directory, kept.sync);
      });
    });
  };
  const hasFound: Lookups['hasFound'] = (names) =>
    directories.has(names.length === 0 ? '/data' : names.join('/'));
  return { withArea, withFound, withMade, hasFound, made: () => made, forget: directories.clear };
}

/** The lookups that callers of a volume hold. */
export interface LookupRegistry {
  open(folderId: string): FolderLookups;
  /** What stands behind `given`, which must be of this folder. */
  of(folderId: string, given: FolderLookups | undefined): Lookups | undefined;
}

/** Makes the registry of a volume. */
export function createLookupRegistry(root: VolumeRoot): LookupRegistry {
  const known = new WeakMap<FolderLookups, Lookups>();
  return {
    open: (folderId) => {
      const lookups = openLookups(root, folderId);
      const handle: FolderLookups = { folderId, directoriesMade: lookups.made, close: lookups.forget };
      known.set(handle, lookups);
      return handle;
    },
    of: (folderId, given) => {
      if (given === undefined) return undefined;
      assert(given.folderId === folderId, 'Lookups are used for the folder they were opened for.');
      return known.get(given);
    },
  };
}
