import { isDomainError } from '../../../domain/errors.ts';
import type { PurgedTree, PurgeOptions } from '../../volume.ts';
import { entryConflict, hasErrno } from '../errno.ts';
import { openArea, openFolder, openFolderParent, type VolumeRoot } from '../folder-areas.ts';
import {
  type Directory,
  makeChild,
  openChild,
  removeChild,
  statChild,
  syncDirectory,
  withDirectory,
} from '../handles/directory.ts';
import { renameEvenLocked } from '../handles/place.ts';
import { modes } from '../handles/syscalls.ts';
import { areaComponents, idName } from '../layout.ts';
import { addTally, emptyTally, type Tally } from './progress.ts';
import { createFlatNames } from './purge-part.ts';
import { passOver } from './whole-tree.ts';

/** Passes over what is purged. A container that still sits in a purged directory could refill it for ever. */
const passesMax = 1000;

interface Purge {
  readonly root: VolumeRoot;
  readonly tally: Tally;
  readonly options: PurgeOptions;
}

function startPurge(root: VolumeRoot, options: PurgeOptions = {}): Purge {
  options.signal?.throwIfAborted();
  return { root, tally: emptyTally(), options };
}

function purgedTree({ tally }: Purge): PurgedTree {
  return { entries: tally.entries, directories: tally.directories };
}

/** Runs `remove`, which removes a directory. @returns whether it was empty */
async function isRemoved(remove: () => Promise<unknown>): Promise<boolean> {
  try {
    await remove();
    return true;
  } catch (error) {
    if (hasErrno(error, 'ENOTEMPTY', 'EEXIST')) return false;
    throw error;
  }
}

/**
 * Removes everything in the directory at `names`, which nobody else can reach by name: any depth and width, with a
 * bounded number of descriptors; then the directory itself, by `remove`. Several processes may do it at once.
 * @throws the failure of the first entry that cannot be removed, after everything else was
 */
async function purgeDirectory(
  purge: Purge,
  names: readonly string[],
  remove: () => Promise<unknown>,
): Promise<void> {
  const { root, tally, options } = purge;
  let failure: unknown;
  for (let count = 0; count < passesMax; count += 1) {
    const before = tally.entries;
    const pass = await passOver(
      root,
      { verb: 'purge', root: names },
      {
        signal: options.signal,
        onProgress: ({ entries }) => options.onProgress?.({ entries: before + entries }),
      },
    );
    addTally(tally, pass.tally);
    if (pass.isEmpty) {
      await remove();
      return;
    }
    // Spares a pass that only finds that there is nothing left.
    if (await isRemoved(remove)) return;
    failure = pass.failure;
    if (failure !== undefined && pass.tally.entries === 0) throw failure;
  }
  throw entryConflict('Files are still being created in what is purged.', failure);
}

async function unlessGone(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!hasErrno(error, 'ENOENT') && !isDomainError(error, 'entry_not_found')) throw error;
  }
}

/** Empties the directory at `names`, which nobody else can reach by name, and removes it by `remove`. Missing is fine. */
export async function purgeTree(
  root: VolumeRoot,
  names: readonly string[],
  remove: () => Promise<void>,
  options: PurgeOptions | undefined,
): Promise<PurgedTree> {
  const purge = startPurge(root, options);
  await unlessGone(() => purgeDirectory(purge, names, remove));
  return purgedTree(purge);
}

/** Empties the directory `name` of an area, which nobody else can reach by name, and removes it. Missing is fine. */
export function removeFromArea(
  root: VolumeRoot,
  folderId: string,
  place: { readonly area: 'stage' | 'trash'; readonly name: string },
  options: PurgeOptions | undefined,
): Promise<PurgedTree> {
  const { area, name } = place;
  const remove = () =>
    withDirectory(openArea(root, folderId, area), async (directory) => {
      await removeChild(directory, name);
    });
  return purgeTree(root, [...areaComponents(folderId, area), name], remove, options);
}

/** `Volume.purgeTrash`. */
export function purgeTrash(
  root: VolumeRoot,
  folderId: string,
  trashId: string,
  options: PurgeOptions | undefined,
): Promise<PurgedTree> {
  return removeFromArea(root, folderId, { area: 'trash', name: idName(trashId) }, options);
}

/** Removes an empty stage, counted as any other directory; whatever is in the way is met again by who moves it. */
async function removeEmptyStage({ tally }: Purge, folder: Directory): Promise<void> {
  try {
    if (!(await removeChild(folder, 'stage'))) return;
    tally.entries += 1;
    tally.directories += 1;
  } catch {
    // It is purged as all that has content.
  }
}

/** Takes an area out of the reach of every route and mount path, in one step. */
async function retireArea(folder: Directory, area: 'data' | 'stage', trash: Directory): Promise<void> {
  if ((await statChild(folder, area)) === null) return;
  await unlessGone(() =>
    renameEvenLocked({ directory: folder, name: area }, { directory: trash, name: createFlatNames()() }),
  );
}

async function purgeAreas(purge: Purge, folder: Directory, folderId: string): Promise<void> {
  await makeChild(folder, 'trash', modes.closed);
  await withDirectory(openChild(folder, 'trash'), async (trash) => {
    await retireArea(folder, 'data', trash);
    // In the trash it would be one more directory to walk into.
    await removeEmptyStage(purge, folder);
    await retireArea(folder, 'stage', trash);
    await syncDirectory(folder);
  });
  await purgeDirectory(purge, areaComponents(folderId, 'trash'), () => removeChild(folder, 'trash'));
}

/** `Volume.purgeFolder`. */
export async function purgeFolder(
  root: VolumeRoot,
  folderId: string,
  options: PurgeOptions | undefined,
): Promise<PurgedTree> {
  const name = idName(folderId);
  const purge = startPurge(root, options);
  await unlessGone(async () => {
    root.folders.drop(folderId);
    await withDirectory(openFolder(root, folderId), (folder) => purgeAreas(purge, folder, folderId));
    await withDirectory(openFolderParent(root, folderId), async (parent) => {
      await removeChild(parent, name);
      await syncDirectory(parent);
    });
  });
  root.folders.drop(folderId);
  return purgedTree(purge);
}
