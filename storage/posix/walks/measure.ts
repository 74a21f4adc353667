import { isDomainError } from '../../../domain/errors.ts';
import type { TreeUsage, WorkOptions } from '../../volume.ts';
import { entryNotFound, hasErrno } from '../errno.ts';
import { openArea, type VolumeRoot } from '../folder-areas.ts';
import { type Directory, openChild, withDirectory } from '../handles/directory.ts';
import { areaComponents, idName } from '../layout.ts';
import { toTreeUsage } from './progress.ts';
import { type CountsLinked, passOver } from './whole-tree.ts';

async function countTree(
  root: VolumeRoot,
  names: readonly string[],
  options: WorkOptions,
  countsLinked: CountsLinked,
): Promise<TreeUsage> {
  const { signal, onProgress } = options;
  const { tally } = await passOver(
    root,
    { verb: 'measure', root: names },
    { signal, onProgress, countsLinked },
  );
  return toTreeUsage(tally);
}

/** Counts a tree of ours that nobody else can reach; an inode with several names counts once. */
export function measureTree(
  root: VolumeRoot,
  names: readonly string[],
  options: WorkOptions,
): Promise<TreeUsage> {
  // However many names are met, and wherever, the first of them counts.
  return countTree(root, names, options, (_, total, justMet) => total === justMet);
}

/** `Volume.measure`. */
export async function measureData(
  root: VolumeRoot,
  folderId: string,
  options: WorkOptions = {},
): Promise<TreeUsage> {
  options.signal?.throwIfAborted();
  await (await openArea(root, folderId, 'data')).close();
  return measureTree(root, areaComponents(folderId, 'data'), options);
}

/** Opens `trash/<trashId>`. @throws entry_not_found */
function openTrash(root: VolumeRoot, folderId: string, trashId: string): Promise<Directory> {
  const name = idName(trashId);
  return withDirectory(openArea(root, folderId, 'trash'), async (trash) => {
    try {
      return await openChild(trash, name);
    } catch (error) {
      throw hasErrno(error, 'ENOENT') ? entryNotFound(error) : error;
    }
  });
}

/** `Volume.measureTrash`. */
export async function measureTrash(
  root: VolumeRoot,
  folderId: string,
  trashId: string,
  options: WorkOptions = {},
): Promise<TreeUsage> {
  options.signal?.throwIfAborted();
  const names = [...areaComponents(folderId, 'trash'), idName(trashId)];
  try {
    await (await openTrash(root, folderId, trashId)).close();
    // Only the last name of the inode frees it; with a name elsewhere that one is never met.
    return await countTree(
      root,
      names,
      options,
      ({ links }, total, justMet) => total >= links && total - justMet < links,
    );
  } catch (error) {
    if (!isDomainError(error, 'entry_not_found')) throw error;
    return { bytes: 0, files: 0, directories: 0 };
  }
}
