import type { Executor } from '../db/client.ts';
import { listTrashShares, type MeasuredUsage, type TrashShare } from '../db/queries/measure.ts';
import { isDomainError } from '../domain/errors.ts';
import { addTrees, emptyTree, type TreeCount } from '../domain/quota.ts';
import type { Volume } from '../storage/volume.ts';

/** Trash of a purge that ended before it had accounted for it. */
export interface UnaccountedTrash {
  readonly jobId: string;
  readonly measured: TreeCount;
}

/** What a walk and a count of the trash come to; trash that cannot be read (`null`) is what it was recorded as. */
export function measuredUsage(
  live: TreeCount,
  trash: TreeCount | null,
  before: MeasuredUsage,
): MeasuredUsage {
  const { bytes, files, directories } = live;
  if (trash === null) {
    const known = Math.max(directories, before.directories);
    return { live: { bytes, files }, trash: before.trash, directories: known };
  }
  return {
    live: { bytes, files },
    trash: { bytes: trash.bytes, files: trash.files },
    directories: directories + trash.directories,
  };
}

interface CountedTrash {
  readonly trash: TreeCount;
  readonly unaccounted: readonly UnaccountedTrash[];
}

async function measureOrphans(
  volume: Volume,
  folderId: string,
  { shares, trashIds }: { readonly shares: readonly TrashShare[]; readonly trashIds: readonly string[] },
  signal: AbortSignal,
): Promise<CountedTrash> {
  const known = new Map(shares.map((share) => [share.jobId, share]));
  let trash: TreeCount = shares.reduce(
    (sum, { measured }) => addTrees(sum, measured ?? emptyTree),
    emptyTree,
  );
  const unaccounted: UnaccountedTrash[] = [];
  for (const id of trashIds) {
    const share = known.get(id);
    if (share !== undefined && (share.measured !== null || share.isOpen)) continue;
    const { bytes, files, directories } = await volume.measureTrash(folderId, id, { signal });
    const measured = { bytes, files, directories };
    trash = addTrees(trash, measured);
    if (share !== undefined) unaccounted.push({ jobId: id, measured });
  }
  return { trash, unaccounted };
}

/**
 * What a folder's trash counts for. A purge gives its share back at its end, so the share counts whole however much of
 * it is freed; what no purge has accounted for counts as it lies there.
 * @returns `null` when some trash refuses to be read for good, which must not keep what is in view from being counted
 */
export async function countTrash(
  db: Executor,
  volume: Volume,
  folderId: string,
  signal: AbortSignal,
): Promise<CountedTrash | null> {
  try {
    const trashIds = (await volume.listTrash(folderId)).map(({ id }) => id);
    const shares = await listTrashShares(db, { folderId, trashIds });
    return await measureOrphans(volume, folderId, { shares, trashIds }, signal);
  } catch (error) {
    if (isDomainError(error, 'entry_conflict')) return null;
    throw error;
  }
}
