import { type EntryPath, splitEntryPath } from '../../domain/entry-path.ts';
import { isDomainError } from '../../domain/errors.ts';
import type { EntryStat, StageWriter, StoredName } from '../volume.ts';
import { descend, descendMaking, syncName } from './descend.ts';
import {
  type Directory,
  openNumber,
  renameChild,
  statChild,
  syncDirectory,
  unlinkChild,
  withDirectory,
} from './directory.ts';
import { toEntryStat } from './entry-stat.ts';
import { entryConflict, hasErrno } from './errno.ts';
import { openArea, type VolumeRoot, withAreas } from './folder-areas.ts';
import { idName } from './layout.ts';
import { createStageWriter } from './stage-writer.ts';
import { listStoredNames } from './stored-names.ts';
import { modes, openFlags } from './syscalls.ts';

/** How often a commit makes the parents again after a container removed them under it. */
const commitAttemptsMax = 3;

/** `Volume.createStage`. */
export async function createStage(root: VolumeRoot, folderId: string, stageId: string): Promise<StageWriter> {
  const name = idName(stageId);
  return withDirectory(openArea(root, folderId, 'stage'), async (stage) => {
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
export async function statStage(
  root: VolumeRoot,
  folderId: string,
  stageId: string,
): Promise<EntryStat | null> {
  const name = idName(stageId);
  const stat = await withDirectory(openArea(root, folderId, 'stage'), (stage) => statChild(stage, name));
  return stat === null ? null : toEntryStat(stat);
}

/** `Volume.listStages`. */
export function listStages(root: VolumeRoot, folderId: string): Promise<readonly StoredName[]> {
  return withDirectory(openArea(root, folderId, 'stage'), listStoredNames);
}

async function checkReplaceable(parent: Directory, name: string): Promise<void> {
  const target = await statChild(parent, name);
  if (target !== null && !target.isFile()) {
    throw entryConflict('The path is taken by something that is not a regular file.');
  }
}

/**
 * Between the check and the rename a container may put something else in place. A symlink, fifo or device is then
 * replaced itself, never followed; a directory makes the rename fail. Neither reaches outside the folder.
 */
async function renameOver(
  stage: Directory,
  stageName: string,
  parent: Directory,
  name: string,
): Promise<'done' | 'something_missing'> {
  await checkReplaceable(parent, name);
  try {
    await renameChild(stage, stageName, parent, name);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return 'something_missing';
    throw error;
  }
  await syncDirectory(parent);
  return 'done';
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
      await syncName(directory, child, false);
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

/** `Volume.commitStage`. */
export function commitStage(
  root: VolumeRoot,
  folderId: string,
  stageId: string,
  path: EntryPath,
): Promise<'committed' | 'stage_missing'> {
  const stageName = idName(stageId);
  const { parent: parents, name } = splitEntryPath(path);
  return withAreas(root, folderId, { from: 'stage', to: 'data' }, async ({ from: stage, to: data }) => {
    for (let attempt = 1; attempt <= commitAttemptsMax; attempt += 1) {
      // Before parents are made, so that a late second delivery leaves no empty directories behind.
      if ((await statChild(stage, stageName)) === null) {
        await syncEarlierCommit(data, parents);
        return 'stage_missing';
      }
      const outcome = await withDirectory(descendMaking(data, parents), (parent) =>
        renameOver(stage, stageName, parent, name),
      );
      if (outcome === 'done') return 'committed';
    }
    throw entryConflict('The directory is removed again and again while the file is put there.');
  });
}
