import { type ClaimedEntry, findClaimedEntries } from '../db/queries/path-claims.ts';
import type { DeleteOutcome } from '../domain/delete-outcome.ts';
import { parseEntryPath } from '../domain/entry-path.ts';
import { isDomainError } from '../domain/errors.ts';
import type { JobContext } from '../jobs/handler.ts';
import type { EntryStat, Volume } from '../storage/volume.ts';
import type { WorkerServices } from './services.ts';
import { folderIdOf } from './volume-of.ts';

/** What became of one path of a delete; the words are those of {@link deleteOutcomes}. */
export interface DeletedPath {
  readonly path: string;
  readonly outcome: DeleteOutcome;
}

interface Trash {
  readonly volume: Volume;
  readonly folderId: string;
  readonly trashId: string;
}

/** Moves the entry that was meant, and no other. */
async function takeMeant(trash: Trash, entry: ClaimedEntry): Promise<EntryStat | DeleteOutcome> {
  const { volume, folderId, trashId } = trash;
  const path = parseEntryPath(entry.path, 'read');
  const stat = await volume.stat(folderId, path);
  if (stat === null) return 'not_found';
  if (stat.identity !== entry.identity) return 'changed';
  try {
    return await volume.trashEntry(folderId, path, trashId, entry.slot);
  } catch (error) {
    if (isDomainError(error, 'entry_not_found')) return 'not_found';
    if (!isDomainError(error, 'entry_conflict')) throw error;
    return (await volume.statTrash(folderId, trashId, entry.slot)) ?? 'kept';
  }
}

async function finishEntry(trash: Trash, entry: ClaimedEntry): Promise<DeleteOutcome> {
  const { volume, folderId, trashId } = trash;
  const taken = (await volume.statTrash(folderId, trashId, entry.slot)) ?? (await takeMeant(trash, entry));
  if (typeof taken === 'string') return taken;
  if (taken.identity === entry.identity) return 'deleted';
  // A container exchanged the entry in the moment it was taken.
  const path = parseEntryPath(entry.path, 'read');
  return (await volume.restoreTrash(folderId, trashId, entry.slot, path)) ? 'changed' : 'deleted';
}

/**
 * Finishes the request of a delete that did not come to its end: its process died or hangs. The request is fenced off
 * first, so that the claims can be let go of afterwards; then every entry that it meant and has not taken is taken.
 * @returns `null` when the request ended as it should
 */
export async function finishDelete(
  services: WorkerServices,
  context: JobContext<'trash.purge'>,
  volume: Volume,
): Promise<DeletedPath[] | null> {
  const { job, signal } = context;
  const entries = await findClaimedEntries(services.db, job.id);
  if (entries === null) return null;
  const trash = { volume, folderId: folderIdOf(job), trashId: job.payload.trashId };
  // The request may have died before it made the directory.
  await volume.createTrash(trash.folderId, trash.trashId);
  await volume.sealTrash(trash.folderId, trash.trashId);
  // Whoever owns the job by now seals what this run has open; one that lost it must not have made the directory anew.
  await context.fenced(async () => undefined);
  const outcomes: DeletedPath[] = [];
  for (const entry of entries) {
    signal.throwIfAborted();
    outcomes.push({ path: entry.path, outcome: await finishEntry(trash, entry) });
  }
  return outcomes;
}
