import { setTimeout as delay } from 'node:timers/promises';
import { deleteArchive } from '../../db/queries/archives.ts';
import {
  type CheckedArchive,
  failObjectlessJob,
  findFolderPlaces,
  forgetPurgeCount,
  listCheckedArchives,
  listFailedPurges,
  listObjectlessJobs,
  type PageOf,
} from '../../db/queries/fsck.ts';
import { isDomainError } from '../../domain/errors.ts';
import { findArchiveLitter } from '../../worker/expire-archives.ts';
import { holdsEntries, setAside } from '../../worker/set-aside.ts';
import { isOld } from '../../worker/sweep-storage.ts';
import { aboutFolder, type VolumeCase } from './case.ts';
import { recount } from './check-usage.ts';
import type { Finding } from './findings.ts';

/** Rows read at a time. */
const pageLimit = 500;
/** An archive that is removed loses its file before its row; nobody takes this long between the two. */
const confirmations = 3;
const confirmMs = 1_000;

/** Row by row, in pages by key. */
async function* eachRow<T extends { readonly id: string }>(
  { volume }: VolumeCase,
  list: (page: PageOf) => Promise<readonly T[]>,
): AsyncGenerator<readonly T[]> {
  let after: string | null = null;
  for (;;) {
    const rows: readonly T[] = await list({ volume: volume.name, after, limit: pageLimit });
    if (rows.length > 0) yield rows;
    after = rows.at(-1)?.id ?? null;
    if (rows.length < pageLimit) return;
  }
}

/** Size of an archive's file, `null` when there is none. */
async function sizeOf({ volume }: VolumeCase, archiveId: string): Promise<number | null> {
  try {
    const file = await volume.openArchive(archiveId);
    await file.close();
    return file.stat.sizeBytes;
  } catch (error) {
    if (isDomainError(error, 'entry_not_found') || isDomainError(error, 'entry_not_regular')) return null;
    throw error;
  }
}

async function badArchives(target: VolumeCase, rows: readonly CheckedArchive[]): Promise<CheckedArchive[]> {
  const bad: CheckedArchive[] = [];
  for (const row of rows) if ((await sizeOf(target, row.id)) !== row.bytes) bad.push(row);
  return bad;
}

/** What is bad each time it is looked at, with its row still there. */
async function surelyBad(target: VolumeCase, rows: readonly CheckedArchive[]): Promise<CheckedArchive[]> {
  let bad = await badArchives(target, rows);
  for (let count = 0; count < confirmations && bad.length > 0; count += 1) {
    await delay(confirmMs);
    const ids = bad.map(({ id }) => id);
    const page = { volume: target.volume.name, after: null, limit: pageLimit, ids };
    bad = await badArchives(target, await listCheckedArchives(target.db, page));
  }
  return bad;
}

async function checkArchives(target: VolumeCase): Promise<void> {
  const { db, volume } = target;
  for await (const rows of eachRow(target, (page) => listCheckedArchives(db, page))) {
    for (const { id, folderId, bytes } of await surelyBad(target, rows)) {
      const size = await sizeOf(target, id);
      const mend = async () => {
        if ((await sizeOf(target, id)) === bytes) return false;
        await volume.removeArchive(id);
        await deleteArchive(db, id);
        return true;
      };
      const detail =
        size === null ? 'its file is missing' : `its file has ${size} bytes, ${bytes} are recorded`;
      const about = aboutFolder(volume.name, folderId);
      const code = size === null ? 'archive_missing' : 'archive_size';
      await target.report({ ...about({ code, detail: `archive ${id}: ${detail}` }), mend });
    }
  }
  for await (const litter of findArchiveLitter(db, volume)) {
    for (const id of litter) {
      const mend = async () => {
        await volume.removeArchive(id);
        return true;
      };
      const path = `a/${id.slice(-2)}/${id}`;
      await target.report({
        ...aboutVolume(target, { code: 'archive_litter', path, detail: 'no row and no job knows it' }),
        mend,
      });
    }
  }
}

function aboutVolume({ volume }: VolumeCase, finding: Pick<Finding, 'code' | 'path' | 'detail'>): Finding {
  return { volume: volume.name, folderId: null, ...finding };
}

/** Deletes that gave up, whose trash is gone: what they had counted is still in the folder's usage. */
async function checkFailedPurges(target: VolumeCase): Promise<void> {
  const { db, volume } = target;
  for await (const rows of eachRow(target, (page) => listFailedPurges(db, page))) {
    for (const { id, folderId } of rows) {
      const isThere = async () =>
        (await volume.listTrash(folderId).catch(() => [])).some((trash) => trash.id === id);
      if (await isThere()) continue;
      const mend = async () => {
        if (!(await forgetPurgeCount(db, id))) return false;
        return await recount(target, folderId);
      };
      const detail = 'a delete failed after it had counted, and its trash is gone';
      const about = aboutFolder(volume.name, folderId);
      await target.report({ ...about({ code: 'trash_missing', path: `trash/${id}`, detail }), mend });
    }
  }
}

async function checkJobs(target: VolumeCase): Promise<void> {
  const { db, volume } = target;
  for await (const rows of eachRow(target, (page) => listObjectlessJobs(db, page))) {
    for (const { id, kind, folderId } of rows) {
      const mend = () => db.transaction((tx) => failObjectlessJob(tx, id));
      const detail = `job ${id} (${kind}): what it is about is gone, and it does not end`;
      await target.report({
        code: 'job_objectless',
        volume: volume.name,
        folderId,
        path: null,
        detail,
        mend,
      });
    }
  }
}

/** Whose a directory is: `undefined` without a row here. */
type Places = Awaited<ReturnType<typeof findFolderPlaces>>;

function isGone(place: ReturnType<Places['get']>): boolean {
  return place === undefined || place.state === 'purged';
}

async function checkOrphan(target: VolumeCase, folderId: string, places: Places): Promise<void> {
  const { db, volume } = target;
  const place = places.get(folderId);
  const about = aboutFolder(volume.name, folderId);
  const path = `f/${folderId.slice(-4, -2)}/${folderId.slice(-2)}/${folderId}`;
  if (place?.volume === volume.name) {
    if (place.state !== 'purged') return;
    const detail =
      'it was purged, and its directory is there; the next sweep removes it, or "vfolder admin gc"';
    await target.report(about({ code: 'folder_leftover', path, detail }));
    return;
  }
  if (place !== undefined && place.state !== 'purged') {
    // Volumes may have been renamed, or a copy to another one be under way: moving it would take it from its owner.
    const detail = `its row is on volume ${place.volume}`;
    await target.report(about({ code: 'folder_misplaced', path, detail }));
    return;
  }
  const isOrphan = async () => isGone((await findFolderPlaces(db, [folderId])).get(folderId));
  const where = place === undefined ? 'no row knows it' : `it was purged from volume ${place.volume}`;
  if (await holdsEntries(volume, folderId)) {
    const mend = async () => (await isOrphan()) && (await setAside(volume, folderId));
    await target.report({ ...about({ code: 'folder_orphaned', path, detail: where }), mend });
    return;
  }
  const mend = async () => {
    // Again, for the purge would take what came since.
    if (!(await isOrphan()) || (await holdsEntries(volume, folderId))) return false;
    await volume.purgeFolder(folderId);
    return true;
  };
  await target.report({
    ...about({ code: 'folder_litter', path, detail: `it is empty, and ${where}` }),
    mend,
  });
}

/** Directories without a row, once they are so old that nobody is about to write one. */
async function checkOrphans(target: VolumeCase): Promise<void> {
  for await (const batch of target.volume.listFolders()) {
    const old = batch.filter(isOld).map(({ id }) => id);
    const places = await findFolderPlaces(target.db, old);
    for (const id of old) await checkOrphan(target, id, places);
  }
}

/** Names that are none of ours, twice, for what calls under way make for a moment is gone by then. */
async function checkNames(target: VolumeCase): Promise<void> {
  for await (const path of target.volume.listForeign()) {
    await target.report(aboutVolume(target, { code: 'foreign_name', path, detail: 'not a name of ours' }));
  }
  for await (const batch of target.volume.listAside()) {
    for (const { id, modifiedAt } of batch) {
      const detail = `set aside since ${modifiedAt.toISOString()}; take back what is needed, then "vfolder admin gc --orphans"`;
      await target.report(aboutVolume(target, { code: 'set_aside', path: `lost/${id}`, detail }));
    }
  }
}

/** Looks at what belongs to a volume and not to one of its live folders. */
export async function checkVolume(target: VolumeCase): Promise<void> {
  await checkFailedPurges(target);
  await checkJobs(target);
  await checkArchives(target);
  await checkOrphans(target);
  await checkNames(target);
}
