import { isDomainError } from '../../domain/errors.ts';
import type { PurgedTree, PurgeOptions, StoredName, TreeUsage, WorkOptions } from '../volume.ts';
import { entryConflict, hasErrno } from './errno.ts';
import { openFolderParent, type VolumeRoot } from './folder-areas.ts';
import { descend, descendMaking } from './handles/descend.ts';
import type { Directory } from './handles/directory.ts';
import {
  openNumber,
  removeChild,
  statChild,
  syncDirectory,
  unlinkChild,
  withDirectory,
} from './handles/directory.ts';
import { renameEvenLocked } from './handles/place.ts';
import { modes, openFlags } from './handles/syscalls.ts';
import { idName, lostName } from './layout.ts';
import { listShelved } from './listings/stored-names.ts';
import { createStageWriter } from './staging/stage-writer.ts';
import { measureTree } from './walks/measure.ts';
import { purgeTree } from './walks/purge.ts';

const noteName = 'note.json';
/** A folder directory that comes up again after it was set aside gets a name of its own beside the first. */
const namesMax = 100;

/** Never written in place: an earlier call may have died in the middle of it. */
async function writeNote(shelf: Directory, note: string): Promise<void> {
  await unlinkChild(shelf, noteName);
  const writer = createStageWriter(
    await openNumber(shelf, noteName, openFlags.create, modes.file),
    shelf.bulkhead,
  );
  try {
    await writer.write(Buffer.from(note));
    await writer.finish();
  } finally {
    await writer.close();
  }
}

async function findFreeName(shelf: Directory): Promise<string> {
  for (let count = 1; count <= namesMax; count += 1) {
    const name = count === 1 ? 'folder' : `folder.${count}`;
    if ((await statChild(shelf, name)) === null) return name;
  }
  throw entryConflict('This folder was set aside too often.');
}

/** `Volume.setFolderAside`. The note comes first: what lies there without one would tell nobody why. */
export async function setFolderAside(root: VolumeRoot, folderId: string, note: string): Promise<boolean> {
  const name = idName(folderId);
  root.folders.drop(folderId);
  try {
    return await withDirectory(openFolderParent(root, folderId), async (parent) => {
      if ((await statChild(parent, name)) === null) return false;
      return await withDirectory(
        descendMaking(root, [lostName, name], { mode: modes.closed }),
        async (shelf) => {
          await writeNote(shelf, note);
          await renameEvenLocked(
            { directory: parent, name },
            { directory: shelf, name: await findFreeName(shelf) },
          );
          await syncDirectory(shelf);
          await syncDirectory(parent);
          return true;
        },
      );
    });
  } catch (error) {
    if (hasErrno(error, 'ENOENT') || isDomainError(error, 'entry_not_found')) return false;
    throw error;
  } finally {
    root.folders.drop(folderId);
  }
}

/** `Volume.listAside`. */
export function listAside(root: VolumeRoot): AsyncIterable<readonly StoredName[]> {
  return listShelved(root, { name: lostName, levels: 0 });
}

/** `Volume.measureAside`. */
export async function measureAside(
  root: VolumeRoot,
  folderId: string,
  options: WorkOptions = {},
): Promise<TreeUsage> {
  const names = [lostName, idName(folderId)];
  await (await descend(root, names, 'entry_not_found')).close();
  return measureTree(root, names, options);
}

/** `Volume.purgeAside`. */
export async function purgeAside(
  root: VolumeRoot,
  folderId: string,
  options: PurgeOptions | undefined,
): Promise<PurgedTree> {
  const name = idName(folderId);
  const remove = () =>
    withDirectory(descend(root, [lostName], 'entry_not_found'), async (shelf) => {
      await removeChild(shelf, name);
      await syncDirectory(shelf);
    });
  return purgeTree(root, [lostName, name], remove, options);
}
