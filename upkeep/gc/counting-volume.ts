import { isDomainError } from '../../domain/errors.ts';
import type { PosixVolume } from '../../storage/posix/posix-volume.ts';
import type { PurgedTree, Volume } from '../../storage/volume.ts';
import type { FreedKind, Tally } from './tally.ts';

const nothing: PurgedTree = { entries: 0, directories: 0 };

/** Size of something that may be gone. */
async function sizeOf(look: () => Promise<number>): Promise<number | null> {
  try {
    return await look();
  } catch (error) {
    if (isDomainError(error, 'entry_not_found') || isDomainError(error, 'entry_conflict')) return null;
    throw error;
  }
}

async function archiveSize(volume: Volume, archiveId: string): Promise<number> {
  const file = await volume.openArchive(archiveId);
  await file.close();
  return file.stat.sizeBytes;
}

/**
 * A volume that notes in `tally` what is removed from it, and with `isDry` removes nothing: so that the code that removes
 * need not know whether it is meant. `allow` is asked before each removal that is meant, and throws when it must not be.
 */
export function countRemovals(
  volume: PosixVolume,
  tally: Tally,
  { isDry, allow }: { readonly isDry: boolean; readonly allow: () => Promise<void> },
): PosixVolume {
  const note = async (kind: FreedKind, look: () => Promise<number>): Promise<void> => {
    const bytes = await sizeOf(look);
    if (bytes !== null) tally.add(kind, bytes);
  };
  // What a dry run leaves may be named again at once, as an upload's file and as its segment.
  const noted = { folderId: '', stageIds: new Set<string>() };
  const noteStage = async (folderId: string, stageId: string): Promise<void> => {
    if (noted.folderId !== folderId) {
      noted.folderId = folderId;
      noted.stageIds.clear();
    }
    if (noted.stageIds.has(stageId)) return;
    noted.stageIds.add(stageId);
    const stat = await volume.statStage(folderId, stageId).catch(() => null);
    // Of a staged tree nobody knows the size.
    if (stat !== null) tally.add('staged_files', stat.kind === 'file' ? stat.sizeBytes : 0);
  };
  const permit = async (): Promise<void> => {
    if (!isDry) await allow();
  };
  return {
    ...volume,
    discardStage: async (folderId, stageId) => {
      await permit();
      await noteStage(folderId, stageId);
      if (!isDry) await volume.discardStage(folderId, stageId);
    },
    discardTree: async (folderId, stageId, options) => {
      await permit();
      await noteStage(folderId, stageId);
      if (!isDry) await volume.discardTree(folderId, stageId, options);
    },
    purgeTrash: async (folderId, trashId, options) => {
      await permit();
      await note('left_trash', async () => (await volume.measureTrash(folderId, trashId)).bytes);
      return isDry ? nothing : await volume.purgeTrash(folderId, trashId, options);
    },
    purgeFolder: async (folderId, options) => {
      await permit();
      tally.add('folder_directories');
      return isDry ? nothing : await volume.purgeFolder(folderId, options);
    },
    removeArchive: async (archiveId) => {
      await permit();
      tally.add('archives', (await sizeOf(() => archiveSize(volume, archiveId))) ?? 0);
      if (!isDry) await volume.removeArchive(archiveId);
    },
    setFolderAside: async (folderId, why) => {
      await permit();
      const isThere = isDry || (await volume.setFolderAside(folderId, why));
      if (isThere) tally.add('set_aside');
      return isThere;
    },
    purgeAside: async (folderId, options) => {
      await permit();
      await note('orphans', async () => (await volume.measureAside(folderId)).bytes);
      return isDry ? nothing : await volume.purgeAside(folderId, options);
    },
  };
}
