import { type EntryPath, isWithin, splitEntryPath } from '../../domain/entry-path.ts';
import { isDomainError } from '../../domain/errors.ts';
import type { DirectoryRoom, EntryStat } from '../volume.ts';
import { entryConflict, hasErrno } from './errno.ts';
import { openArea, type VolumeRoot } from './folder-areas.ts';
import { type BadComponent, descend, descendMaking, type Making, syncName } from './handles/descend.ts';
import {
  type Directory,
  makeChild,
  openChild,
  statChild,
  statDirectory,
  withDirectory,
} from './handles/directory.ts';
import { toEntryStat } from './handles/entry-stat.ts';
import { type Place, placeWithoutReplacing, resumePlacing } from './handles/place.ts';
import type { Lookups } from './lookups.ts';

/** Opens the directory at `path` in a folder's data for `work`. @throws entry_not_found, or what `meaning` says */
export function withDataDirectory<T>(
  root: VolumeRoot,
  target: { readonly folderId: string; readonly path: readonly string[] },
  meaning: BadComponent,
  work: (directory: Directory) => Promise<T>,
): Promise<T> {
  return withDirectory(openArea(root, target.folderId, 'data'), (data) =>
    withDirectory(descend(data, target.path, meaning), work),
  );
}

async function statNamed(
  root: VolumeRoot,
  { folderId, path, lookups }: StatTarget,
): Promise<EntryStat | null> {
  const { parent, name } = splitEntryPath(path);
  if (lookups !== undefined)
    return lookups.withFound(parent, (directory) => root.hands.look(directory, name));
  return withDataDirectory(root, { folderId, path: parent }, 'entry_not_found', async (directory) => {
    const stat = await statChild(directory, name);
    return stat === null ? null : toEntryStat(stat);
  });
}

/** An entry to look at, by what a run has looked up before, if it has. */
interface StatTarget {
  readonly folderId: string;
  readonly path: EntryPath;
  readonly lookups: Lookups | undefined;
}

/** `Volume.stat`. */
export async function statEntry(root: VolumeRoot, target: StatTarget): Promise<EntryStat | null> {
  try {
    if (target.path.length > 0) return await statNamed(root, target);
    return toEntryStat(await withDirectory(openArea(root, target.folderId, 'data'), statDirectory));
  } catch (error) {
    // A parent that is missing, no directory, or locked by its owner: nothing is to be seen there.
    if (isDomainError(error, 'entry_not_found') || hasErrno(error, 'EACCES')) return null;
    throw error;
  }
}

/** Asks a room once, for all that is missing of a path of `length` names: nothing lies below what is missing. */
function askOnce(room: DirectoryRoom, length: number): Making {
  let isAdmitted = false;
  return {
    before: async (position) => {
      if (isAdmitted) return;
      isAdmitted = true;
      await room.admit(length - position);
    },
    onMade: room.onMade,
  };
}

async function makeIn(
  parent: Directory,
  { name, position }: { readonly name: string; readonly position: number },
  making: Making | undefined,
): Promise<'created' | 'existed'> {
  if (making !== undefined && (await statChild(parent, name)) === null) await making.before(position);
  const isNew = await makeChild(parent, name);
  if (isNew) making?.onMade();
  try {
    await withDirectory(openChild(parent, name), (child) => syncName(parent, child, { isNew }));
  } catch (error) {
    if (!hasErrno(error, 'ENOTDIR', 'ELOOP')) throw error;
    throw entryConflict('The path is taken by something that is not a directory.', error);
  }
  return isNew ? 'created' : 'existed';
}

/** `Volume.makeDirectory`. */
export async function makeDirectory(
  root: VolumeRoot,
  folderId: string,
  path: EntryPath,
  options: { readonly parents: boolean; readonly existOk: boolean; readonly room?: DirectoryRoom },
): Promise<'created' | 'existed'> {
  const { room } = options;
  const making = room === undefined ? undefined : askOnce(room, path.length);
  return withDirectory(openArea(root, folderId, 'data'), async (data) => {
    if (path.length === 0) return refuseExisting('existed', options.existOk);
    const { parent, name } = splitEntryPath(path);
    const opening = options.parents
      ? descendMaking(data, parent, { making })
      : descend(data, parent, 'entry_conflict');
    return withDirectory(opening, async (directory) =>
      refuseExisting(await makeIn(directory, { name, position: parent.length }, making), options.existOk),
    );
  });
}

function refuseExisting(outcome: 'created' | 'existed', existOk: boolean): 'created' | 'existed' {
  if (outcome === 'existed' && !existOk) throw entryConflict('The directory exists already.');
  return outcome;
}

async function withPlaces(
  root: VolumeRoot,
  folderId: string,
  { from, to }: { readonly from: EntryPath; readonly to: EntryPath },
  work: (from: Place, to: Place) => Promise<void>,
): Promise<void> {
  if (isWithin(from, to)) throw entryConflict('An entry cannot move to itself or into itself.');
  if (to.length === 0) throw entryConflict('The target path is taken.');
  const source = splitEntryPath(from);
  const target = splitEntryPath(to);
  await withDirectory(openArea(root, folderId, 'data'), (data) =>
    withDirectory(descend(data, source.parent, 'entry_not_found'), (sourceParent) =>
      withDirectory(descend(data, target.parent, 'entry_conflict'), (targetParent) =>
        work({ directory: sourceParent, name: source.name }, { directory: targetParent, name: target.name }),
      ),
    ),
  );
}

/** `Volume.move`. */
export function moveEntry(root: VolumeRoot, folderId: string, from: EntryPath, to: EntryPath): Promise<void> {
  return withPlaces(root, folderId, { from, to }, placeWithoutReplacing);
}

/** `Volume.resumeMove`. */
export function resumeMove(
  root: VolumeRoot,
  folderId: string,
  path: { readonly from: EntryPath; readonly to: EntryPath },
  inode: string,
): Promise<void> {
  return withPlaces(root, folderId, path, (from, to) => resumePlacing(from, to, inode));
}
