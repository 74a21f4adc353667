import type { Executor } from '../db/client.ts';
import { listTrashShares, type TrashShare } from '../db/queries/measure.ts';
import { isDomainError } from '../domain/errors.ts';
import type { Usage } from '../domain/quota.ts';
import type { Volume } from '../storage/volume.ts';

/** Trash of a purge that ended before it had accounted for it. */
export interface UnaccountedTrash {
  readonly jobId: string;
  readonly measured: Usage;
}

function add(a: Usage, b: Usage): Usage {
  return { bytes: a.bytes + b.bytes, files: a.files + b.files };
}

interface CountedTrash {
  readonly trash: Usage;
  readonly unaccounted: readonly UnaccountedTrash[];
}

async function measureOrphans(
  volume: Volume,
  folderId: string,
  { shares, trashIds }: { readonly shares: readonly TrashShare[]; readonly trashIds: readonly string[] },
  signal: AbortSignal,
): Promise<CountedTrash> {
  const known = new Map(shares.map((share) => [share.jobId, share]));
  const nothing = { bytes: 0, files: 0 };
  let trash: Usage = shares.reduce((sum, { measured }) => add(sum, measured ?? nothing), nothing);
  const unaccounted: UnaccountedTrash[] = [];
  for (const id of trashIds) {
    const share = known.get(id);
    if (share !== undefined && (share.measured !== null || share.isOpen)) continue;
    const { bytes, files } = await volume.measureTrash(folderId, id, { signal });
    trash = add(trash, { bytes, files });
    if (share !== undefined) unaccounted.push({ jobId: id, measured: { bytes, files } });
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
