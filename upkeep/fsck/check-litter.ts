import type { FileState } from '../../db/queries/file-digests.ts';
import {
  addSeenFiles,
  beginSeenFiles,
  countStaleDigests,
  deleteStaleDigests,
} from '../../db/queries/fsck-digests.ts';
import { parseEntryPath } from '../../domain/entry-path.ts';
import { endTrashLitter, findStageLitter, findTrashLitter } from '../../worker/sweep-storage.ts';
import { aboutFolder, type VolumeCase } from './case.ts';

/** Looks for what lies in staging and trash and belongs to nobody, by the rule that workers sweep by. */
export async function checkLitter(target: VolumeCase, folderId: string): Promise<void> {
  const { db, volume, jobs } = target;
  const about = aboutFolder(volume.name, folderId);
  for (const id of await findStageLitter(db, volume, folderId)) {
    const mend = async () => {
      if (!(await findStageLitter(db, volume, folderId)).includes(id)) return false;
      await volume.discardTree(folderId, id);
      return true;
    };
    const detail = 'no upload and no copy knows it';
    await target.report({ ...about({ code: 'stage_litter', path: `stage/${id}`, detail }), mend });
  }
  for (const id of await findTrashLitter(db, volume, folderId)) {
    const mend = async () => {
      if (!(await findTrashLitter(db, volume, folderId)).includes(id)) return false;
      await endTrashLitter({ db, jobs }, volume, { folderId, id });
      return true;
    };
    const detail = 'its delete has ended, or was never recorded';
    await target.report({ ...about({ code: 'trash_litter', path: `trash/${id}`, detail }), mend });
  }
}

const seenBatch = 1_000;

/** Looks for checksums of files that the folder does not have any more. They cost room and never truth. */
export async function checkDigests(target: VolumeCase, folderId: string): Promise<void> {
  const { session, volume } = target;
  await beginSeenFiles(session);
  let batch: FileState[] = [];
  for await (const { stat } of volume.walk(folderId, parseEntryPath('', 'read'), {})) {
    if (stat.kind !== 'file') continue;
    batch.push({ inode: stat.inode, version: stat.version });
    if (batch.length < seenBatch) continue;
    await addSeenFiles(session, batch);
    batch = [];
  }
  await addSeenFiles(session, batch);
  const stale = await countStaleDigests(session, folderId);
  if (stale === 0) return;
  const mend = async () => {
    await deleteStaleDigests(session, folderId);
    return true;
  };
  const detail = `${stale} checksums are of files that are gone or were changed`;
  await target.report({ ...aboutFolder(volume.name, folderId)({ code: 'checksums_stale', detail }), mend });
}
