import { type EntryPath, splitEntryPath } from '../../../domain/entry-path.ts';
import { isDomainError } from '../../../domain/errors.ts';
import type { EntryStat, StageWriter, StoredName } from '../../volume.ts';
import { entryConflict } from '../errno.ts';
import { openArea, type VolumeRoot } from '../folder-areas.ts';
import { descend, syncName } from '../handles/descend.ts';
import {
  type Directory,
  openNumber,
  syncDirectory,
  unlinkChild,
  withDirectory,
} from '../handles/directory.ts';
import { modes, openFlags } from '../handles/syscalls.ts';
import { idName } from '../layout.ts';
import { listStoredNames } from '../listings/stored-names.ts';
import { type Lookups, openLookups } from '../lookups.ts';
import type { Hands } from '../volume-threads/hands.ts';
import { createStageWriter } from './stage-writer.ts';

/** How often a commit makes the parents again after a container removed them under it. */
const commitAttemptsMax = 3;

/** Runs `work` with the lookups of a run, or with some of its own. */
async function withLookups<T>(
  given: Lookups | undefined,
  open: () => Lookups,
  work: (lookups: Lookups) => Promise<T>,
): Promise<T> {
  if (given !== undefined) return await work(given);
  const own = open();
  try {
    return await work(own);
  } finally {
    own.forget();
  }
}

/** Where staged files are: a folder, and what a run has looked up in it. */
export interface StageFolder {
  readonly root: VolumeRoot;
  readonly folderId: string;
  readonly lookups: Lookups | undefined;
}

function withStage<T>(
  { root, folderId, lookups }: StageFolder,
  work: (stage: Directory, lookups: Lookups) => Promise<T>,
): Promise<T> {
  return withLookups(
    lookups,
    () => openLookups(root, folderId),
    (used) => used.withArea('stage', (stage) => work(stage, used)),
  );
}

/** `Volume.createStage`. */
export async function createStage(folder: StageFolder, stageId: string): Promise<StageWriter> {
  const name = idName(stageId);
  return withStage(folder, async (stage) => {
    const fd = await openNumber(stage, name, openFlags.create, modes.file);
    return createStageWriter(fd, stage.bulkhead);
  });
}

/** `Volume.syncStage`. */
export function syncStage(root: VolumeRoot, folderId: string): Promise<void> {
  return withDirectory(openArea(root, folderId, 'stage'), syncDirectory);
}

/** `Volume.discardStage`. */
export async function discardStage(root: VolumeRoot, folderId: string, stageId: string): Promise<void> {
  const name = idName(stageId);
  try {
    await withDirectory(openArea(root, folderId, 'stage'), (stage) => unlinkChild(stage, name));
  } catch (error) {
    // A folder that is gone has no staged file either.
    if (!isDomainError(error, 'entry_not_found')) throw error;
  }
}

/** `Volume.statStage`. */
export function statStage(folder: StageFolder, stageId: string): Promise<EntryStat | null> {
  const name = idName(stageId);
  return withStage(folder, (stage) => folder.root.hands.look(stage, name));
}

/** `Volume.listStages`. */
export function listStages(root: VolumeRoot, folderId: string): Promise<readonly StoredName[]> {
  return withDirectory(openArea(root, folderId, 'stage'), listStoredNames);
}

/**
 * The staged file is gone: an earlier call may have renamed it and died, or lost the reply of an NFS server, before it
 * synced. Whoever finds the file in place takes it for committed, so it is made durable here.
 */
async function syncEarlierCommit(data: Directory, parents: readonly string[]): Promise<void> {
  let directory = data.share();
  try {
    for (const name of parents) {
      const child = await descend(directory, [name], 'entry_not_found');
      await syncName(directory, child, { isNew: false });
      await directory.close();
      directory = child;
    }
    await syncDirectory(directory);
  } catch (error) {
    // No such directory means no earlier commit; anything else would hide that it is not durable.
    if (!isDomainError(error, 'entry_not_found')) throw error;
  } finally {
    await directory.close();
  }
}

interface Placing {
  readonly hands: Hands;
  readonly stage: Directory;
  readonly lookups: Lookups;
  readonly stageName: string;
  readonly path: EntryPath;
}

/** Whether the staged file is there. If not, what may have become of it is made durable. */
async function isStaged({ hands, stage, lookups, stageName, path }: Placing): Promise<boolean> {
  if ((await hands.look(stage, stageName)) !== null) return true;
  await lookups.withArea('data', (data) => syncEarlierCommit(data, splitEntryPath(path).parent));
  return false;
}

/** Renames the staged file to its place, whose parents are made. @returns false when it, or a parent, is gone @throws entry_conflict */
async function place({ hands, stage, lookups, stageName, path }: Placing): Promise<boolean> {
  const { parent: parents, name } = splitEntryPath(path);
  const outcome = await lookups.withMade(parents, async (parent, sync) => {
    const placed = await hands.place({ directory: stage, name: stageName }, { directory: parent, name });
    if (placed === 'done') await sync();
    return placed;
  });
  if (outcome === 'taken') {
    throw entryConflict('The path is taken by something that is not a regular file.');
  }
  return outcome === 'done';
}

/** Places a file whose parents may have to be made; again, when a container removed them under it. */
async function placeMaking(placing: Placing, isFresh: boolean): Promise<'committed' | 'stage_missing'> {
  for (let attempt = 1; attempt <= commitAttemptsMax; attempt += 1) {
    // Before parents are made, so that a late second delivery leaves no empty directories behind.
    if (!(await isStaged(placing))) return 'stage_missing';
    if (attempt > 1 || !isFresh) placing.lookups.forget();
    if (await place(placing)) return 'committed';
  }
  throw entryConflict('The directory is removed again and again while the file is put there.');
}

/** `Volume.commitStage`. */
export function commitStage(
  folder: StageFolder,
  stageId: string,
  path: EntryPath,
): Promise<'committed' | 'stage_missing'> {
  const { hands } = folder.root;
  return withStage(folder, async (stage, lookups) => {
    const placing = { hands, stage, lookups, stageName: idName(stageId), path };
    if (!lookups.hasFound(splitEntryPath(path).parent)) return await placeMaking(placing, true);
    // There is no parent to make, so the rename tells whether the staged file is there.
    return (await place(placing)) ? 'committed' : await placeMaking(placing, false);
  });
}
