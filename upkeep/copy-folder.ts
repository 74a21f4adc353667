import { parseEntryPath } from '../domain/entry-path.ts';
import { isDomainError } from '../domain/errors.ts';
import type { SkippedEntry, TreeUsage, Volume } from '../storage/volume.ts';

/** A folder and where it is copied from and to. */
export interface FolderCopy {
  readonly folderId: string;
  readonly from: Volume;
  readonly to: Volume;
  readonly onSkip: (entry: SkippedEntry) => void;
}

async function copyStage({ folderId, from, to }: FolderCopy, stageId: string): Promise<void> {
  const stat = await from.statStage(folderId, stageId);
  // Staged trees belong to copies, which are begun again.
  if (stat?.kind !== 'file') return;
  const source = await from.openStage(folderId, stageId);
  try {
    // An earlier run may have been cut off in the middle of it.
    await to.discardStage(folderId, stageId);
    const writer = await to.createStage(folderId, stageId);
    try {
      for await (const chunk of source.stream()) {
        const bytes: Uint8Array = chunk;
        await writer.write(bytes);
      }
      await writer.finish();
    } finally {
      await writer.close();
    }
  } finally {
    await source.close();
  }
}

/**
 * Copies what is staged for uploads, then the tree, so that a file that is put in its place meanwhile is found at one place
 * at least. May be called again after a crash. @returns what lies at the target; `null` when the source does not exist
 */
export async function copyFolder(copy: FolderCopy): Promise<TreeUsage | null> {
  const { folderId, from, to, onSkip } = copy;
  await to.createFolder(folderId);
  try {
    for (const { id } of await from.listStages(folderId)) {
      try {
        await copyStage(copy, id);
      } catch (error) {
        if (!isDomainError(error, 'entry_not_found')) throw error;
      }
    }
    await to.syncStage(folderId);
    const entries = from.walk(folderId, parseEntryPath('', 'read'), { onSkip });
    const admit = async () => undefined;
    return await to.copyTree(folderId, { area: 'data' }, entries, { admit, onSkip });
  } catch (error) {
    if (!isDomainError(error, 'entry_not_found')) throw error;
    return null;
  }
}
