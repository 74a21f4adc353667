import assert from 'node:assert/strict';
import { type EntryPath, splitEntryPath } from '../../domain/entry-path.ts';
import { isDomainError } from '../../domain/errors.ts';
import type { EntryStat, StoredName } from '../volume.ts';
import { entryConflict, entryNotFound, hasErrno, toStorageError } from './errno.ts';
import { openArea, type VolumeRoot, withAreas } from './folder-areas.ts';
import { descend } from './handles/descend.ts';
import { makeChild, statChild, syncDirectory, withDirectory } from './handles/directory.ts';
import { toEntryStat } from './handles/entry-stat.ts';
import { type Place, placeWithoutReplacing, renameEvenLocked } from './handles/place.ts';
import { modes } from './handles/syscalls.ts';
import { idName } from './layout.ts';
import { listStoredNames } from './listings/stored-names.ts';

/** The name of a slot inside `trash/<trash id>`. */
function slotName(slot: number): string {
  assert(Number.isSafeInteger(slot) && slot >= 0, 'A slot is a whole number from 0.');
  return String(slot);
}

/** `Volume.createTrash`. */
export async function createTrash(root: VolumeRoot, folderId: string, trashId: string): Promise<void> {
  const name = idName(trashId);
  await withDirectory(openArea(root, folderId, 'trash'), async (trash) => {
    await makeChild(trash, name, modes.closed);
    await syncDirectory(trash);
  });
}

/** One rename, whatever the entry is; then both directories are synced. */
async function takeOut(from: Place, slot: Place): Promise<EntryStat> {
  if ((await statChild(slot.directory, slot.name)) !== null) {
    throw entryConflict('The trash slot is taken.');
  }
  try {
    await renameEvenLocked(from, slot);
  } catch (error) {
    throw hasErrno(error, 'ENOENT') ? entryNotFound(error) : error;
  }
  // Looked at only now, out of reach of containers: this is what was taken, not what was seen before.
  const taken = await statChild(slot.directory, slot.name);
  if (taken === null) throw entryNotFound();
  await syncDirectory(slot.directory);
  await syncDirectory(from.directory);
  return toEntryStat(taken);
}

/** `Volume.trashEntry`. */
export async function trashEntry(
  root: VolumeRoot,
  folderId: string,
  path: EntryPath,
  target: { readonly trashId: string; readonly slot: number },
): Promise<EntryStat> {
  const trashName = idName(target.trashId);
  const slot = slotName(target.slot);
  if (path.length === 0) throw entryConflict("A folder's root cannot be moved to the trash.");
  const { parent, name } = splitEntryPath(path);
  return withAreas(root, folderId, { from: 'data', to: 'trash' }, ({ from, to }) =>
    withDirectory(descend(to, [trashName], 'entry_not_found'), (trash) =>
      withDirectory(descend(from, parent, 'entry_not_found'), (directory) =>
        takeOut({ directory, name }, { directory: trash, name: slot }),
      ),
    ),
  );
}

/** `Volume.statTrash`. */
export async function statTrash(
  root: VolumeRoot,
  folderId: string,
  target: { readonly trashId: string; readonly slot: number },
): Promise<EntryStat | null> {
  const trashName = idName(target.trashId);
  const slot = slotName(target.slot);
  try {
    const stat = await withDirectory(openArea(root, folderId, 'trash'), (trash) =>
      withDirectory(descend(trash, [trashName], 'entry_not_found'), (directory) =>
        statChild(directory, slot),
      ),
    );
    return stat === null ? null : toEntryStat(stat);
  } catch (error) {
    if (isDomainError(error, 'entry_not_found')) return null;
    throw error;
  }
}

/** `Volume.restoreTrash`. */
export async function restoreTrash(
  root: VolumeRoot,
  folderId: string,
  slot: { readonly trashId: string; readonly slot: number },
  path: EntryPath,
): Promise<boolean> {
  const trashName = idName(slot.trashId);
  const name = slotName(slot.slot);
  const target = splitEntryPath(path);
  try {
    await withAreas(root, folderId, { from: 'trash', to: 'data' }, ({ from, to }) =>
      withDirectory(descend(from, [trashName], 'entry_not_found'), (trash) =>
        withDirectory(descend(to, target.parent, 'entry_not_found'), (parent) =>
          placeWithoutReplacing({ directory: trash, name }, { directory: parent, name: target.name }),
        ),
      ),
    );
    return true;
  } catch (error) {
    const failure = toStorageError(error);
    if (isDomainError(failure, 'entry_not_found') || isDomainError(failure, 'entry_conflict')) return false;
    throw failure;
  }
}

/** `Volume.listTrash`. */
export function listTrash(root: VolumeRoot, folderId: string): Promise<readonly StoredName[]> {
  return withDirectory(openArea(root, folderId, 'trash'), listStoredNames);
}
