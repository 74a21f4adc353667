import type { BigIntStats } from 'node:fs';
import type { DomainError } from '../../../domain/errors.ts';
import { entryConflict, entryNotFound, hasErrno, volumeUnavailable } from '../errno.ts';
import { type Directory, makeChild, openChild, statDirectory, syncDirectory } from './directory.ts';
import type { EntryName } from './entry-name.ts';
import { modes } from './syscalls.ts';

/**
 * How long a directory's own name may still be unsynced: journals write every 5 s (ext4) to 30 s (XFS). A directory
 * younger than this that somebody else made (another request, a container) is made durable before we build on it.
 */
const unsyncedAgeMs = 60_000;

/** What a component that is no directory means: nothing to a reader, a conflict to a writer, damage above `data`. */
export type BadComponent = 'entry_not_found' | 'entry_conflict' | 'volume_unavailable';

function badComponent(meaning: BadComponent, cause?: unknown): DomainError {
  if (meaning === 'entry_not_found') return entryNotFound(cause);
  if (meaning === 'volume_unavailable') return volumeUnavailable(cause);
  return entryConflict('A part of the path is not a directory of this folder.', cause);
}

function refuseComponent(meaning: BadComponent, error: unknown): never {
  if (hasErrno(error, 'ENOENT')) throw entryNotFound(error);
  throw hasErrno(error, 'ENOTDIR', 'ELOOP') ? badComponent(meaning, error) : error;
}

/** @returns what the directory is @throws what `meaning` says when it lies on another device */
export async function checkDevice(directory: Directory, meaning: BadComponent): Promise<BigIntStats> {
  const stat = await statDirectory(directory);
  if (stat.dev !== directory.device) throw badComponent(meaning);
  return stat;
}

/** Opens the directory `name`. @throws entry_not_found or, for what is no directory, what `meaning` says */
export async function enterChild(
  parent: Directory,
  name: EntryName,
  meaning: BadComponent,
): Promise<Directory> {
  try {
    return await openChild(parent, name);
  } catch (error) {
    return refuseComponent(meaning, error);
  }
}

/** Takes a handle of `start` through `enter` once per name and returns the last; what is passed is closed. */
async function descendWith(
  start: Directory,
  names: readonly EntryName[],
  enter: (directory: Directory, name: EntryName) => Promise<Directory>,
): Promise<Directory> {
  let directory = start.share();
  try {
    for (const name of names) {
      const child = await enter(directory, name);
      await directory.close();
      directory = child;
    }
    return directory;
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/**
 * Walks down from `start`, which stays open, one component at a time, each by the handle of the one before, never
 * through a symlink. The device is compared once, at the end: a mount point inside a folder cannot be left again by
 * walking down.
 * @returns a handle for the caller to close
 * @throws entry_not_found or, for a component that is no directory, what `meaning` says
 */
export async function descend(
  start: Directory,
  names: readonly EntryName[],
  meaning: BadComponent,
): Promise<Directory> {
  const directory = await descendWith(start, names, (parent, name) => enterChild(parent, name, meaning));
  try {
    if (names.length > 0) await checkDevice(directory, meaning);
    return directory;
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/** Hooks of making what is missing on a way down. */
export interface Making {
  /** Called before the name at `position` of the path is made; what it throws ends the way. */
  before(position: number): Promise<void>;
  /** Called for each that was made. */
  onMade(): void;
}

/** Opens the directory `name`, which is made when it is missing. @throws entry_conflict when it is no directory */
export async function openOrMake(
  parent: Directory,
  name: EntryName,
  mode: number,
  before?: () => Promise<void> | undefined,
): Promise<{ readonly child: Directory; readonly isNew: boolean }> {
  try {
    return { child: await openChild(parent, name), isNew: false };
  } catch (error) {
    if (!hasErrno(error, 'ENOENT')) return refuseComponent('entry_conflict', error);
  }
  await before?.();
  const isNew = await makeChild(parent, name, mode);
  try {
    return { child: await openChild(parent, name), isNew };
  } catch (error) {
    return refuseComponent('entry_conflict', error);
  }
}

/** Tells whether a crash could still take the name of a directory away; the clock skew of a server is allowed for. */
function mayBeUnsynced(stat: BigIntStats): boolean {
  const bornNs = stat.birthtimeNs > 0n ? stat.birthtimeNs : stat.ctimeNs;
  return Date.now() - Number(bornNs / 1_000_000n) < unsyncedAgeMs;
}

/**
 * Makes the name of `child` in `parent` durable if it is new or young. `entered` is what it was when it was entered, if its device
 * was compared then: when it was born does not change. @throws entry_conflict when it lies on another device
 */
export async function syncName(
  parent: Directory,
  child: Directory,
  { isNew, entered }: { readonly isNew: boolean; readonly entered?: BigIntStats | undefined },
): Promise<void> {
  const stat = entered ?? (await checkDevice(child, 'entry_conflict'));
  if (isNew || mayBeUnsynced(stat)) await syncDirectory(parent);
}

/**
 * As {@link descend}, but makes what is missing. Every directory on the way is durable when this resolves.
 * @throws entry_conflict when a component is no directory
 */
export function descendMaking(
  start: Directory,
  names: readonly EntryName[],
  { mode = modes.directory, making }: { readonly mode?: number; readonly making?: Making | undefined } = {},
): Promise<Directory> {
  let position = 0;
  return descendWith(start, names, async (parent, name) => {
    const { child, isNew } = await openOrMake(parent, name, mode, () => making?.before(position));
    position += 1;
    try {
      if (isNew) making?.onMade();
      await syncName(parent, child, { isNew });
      return child;
    } catch (error) {
      await child.close();
      throw error;
    }
  });
}
