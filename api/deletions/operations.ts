import { uuidv7 } from 'uuidv7';
import { claimPaths, retireClaims } from '../../db/queries/path-claims.ts';
import { waitForPaths } from '../../db/wait-for-paths.ts';
import { type EntryPath, formatEntryPath, isWithin, parseNamedEntryPath } from '../../domain/entry-path.ts';
import { type DomainError, domainError, isDomainError } from '../../domain/errors.ts';
import { measureRequest } from '../../jobs/measure-request.ts';
import type { EntryStat, Volume } from '../../storage/volume.ts';
import { type FolderAccess, folderNotFound, folderVolume, loadFolder } from '../authorize.ts';
import type { Services } from '../services.ts';

/** The purge job waits this long for the request to finish its renames; after that it takes over. */
const holdMs = 60_000;
const busyWaitMs = 5_000;

/** What to delete, as it came. */
export interface DeleteRequest {
  readonly userId: string;
  readonly nameOrId: string;
  readonly files: readonly string[];
  readonly recursive: boolean;
}

/** What became of one path. */
export interface DeletedEntry {
  readonly path: string;
  readonly outcome: 'deleted' | 'not_found';
}

/** The entries are out of view; `jobId` frees them. `isQuick` tells that no directory is among them. */
export interface DeleteResult {
  readonly jobId: string;
  readonly entries: readonly DeletedEntry[];
  readonly isQuick: boolean;
}

function needsRecursive(path: string): DomainError {
  return domainError('directory_not_recursive', `"${path}" is a directory; set recursive to delete it.`);
}

/** Drops paths named twice and those below another one, so that each entry is renamed once. */
function outermost(paths: readonly EntryPath[]): EntryPath[] {
  const kept: EntryPath[] = [];
  for (const path of paths.toSorted((a, b) => a.length - b.length)) {
    if (!kept.some((outer) => isWithin(outer, path))) kept.push(path);
  }
  return kept;
}

/** Looks at everything first: one refusal refuses the whole request. */
async function checkAll(volume: Volume, folderId: string, paths: readonly EntryPath[], recursive: boolean) {
  for (const path of paths) {
    const stat = await volume.stat(folderId, path);
    if (stat === null) throw domainError('entry_not_found', `"${formatEntryPath(path)}" does not exist.`);
    if (stat.kind === 'directory' && !recursive) throw needsRecursive(formatEntryPath(path));
  }
}

interface Purge {
  readonly jobId: string;
  readonly folder: FolderAccess;
  readonly userId: string;
  readonly paths: readonly EntryPath[];
}

/** @throws path_busy, not_found; nothing is recorded then */
async function recordPurge(services: Services, purge: Purge): Promise<void> {
  const { jobId, folder } = purge;
  await services.db.transaction(async (tx) => {
    await services.jobs.enqueue(tx, {
      id: jobId,
      kind: 'trash.purge',
      payload: { trashId: jobId },
      volume: folder.volume,
      folderId: folder.id,
      actorId: purge.userId,
      holdMs,
    });
    const paths = purge.paths.map(formatEntryPath);
    const outcome = await claimPaths(tx, { folderId: folder.id, jobId, paths });
    if (outcome === 'folder_gone') throw folderNotFound();
    if (outcome === 'busy') {
      throw domainError('path_busy', 'Another change of one of these paths is still in progress.');
    }
  });
}

/** Records the purge and claims the paths before anything moves; waits a while for others to let go of them. */
async function recordPatiently(services: Services, purge: Purge): Promise<void> {
  const limit = { deadline: performance.now() + busyWaitMs };
  const claim = { folderId: purge.folder.id, jobId: purge.jobId, paths: purge.paths.map(formatEntryPath) };
  for (;;) {
    try {
      await recordPurge(services, purge);
      return;
    } catch (error) {
      if (!isDomainError(error, 'path_busy')) throw error;
      if (!(await waitForPaths(services.db, claim, limit))) throw error;
    }
  }
}

/** Takes one entry out of view. `null` when it vanished since it was looked at. */
async function take(
  volume: Volume,
  purge: Purge,
  entry: { path: EntryPath; slot: number; recursive: boolean },
): Promise<EntryStat | null> {
  try {
    const stat = await volume.trashEntry(purge.folder.id, entry.path, purge.jobId, entry.slot);
    if (stat.kind !== 'directory' || entry.recursive) return stat;
    // A container put a directory in the place of the file that was looked at.
    await volume.restoreTrash(purge.folder.id, purge.jobId, entry.slot, entry.path);
    throw needsRecursive(formatEntryPath(entry.path));
  } catch (error) {
    if (isDomainError(error, 'entry_not_found')) return null;
    throw error;
  }
}

/** Ends the hold whatever happened: what did move has to be freed and accounted for. */
async function finish(services: Services, purge: Purge): Promise<void> {
  await services.db.transaction(async (tx) => {
    await services.jobs.release(tx, purge.jobId);
    const isInTime = await retireClaims(tx, { folderId: purge.folder.id, jobId: purge.jobId });
    // Past the hold the job may have run before the last rename; counting the tree mends what it missed.
    if (!isInTime) {
      await services.jobs.enqueue(tx, measureRequest(purge.folder.id, purge.folder.volume, purge.userId));
    }
  });
  services.jobs.dispatch([purge.jobId]);
}

/**
 * Takes entries out of view by one rename each, whatever their size, and leaves freeing them to a job. Files uploaded
 * to the same names afterwards are never touched: the job only knows the trash directory of this request.
 * @throws not_found, path_invalid, entry_not_found, directory_not_recursive (nothing is deleted then), path_busy
 */
export async function deleteEntries(services: Services, request: DeleteRequest): Promise<DeleteResult> {
  const { userId, nameOrId, recursive } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'delete' });
  const volume = folderVolume(services, folder);
  const requested = request.files.map((file) => parseNamedEntryPath(file, 'read'));
  await checkAll(volume, folder.id, requested, recursive);
  const purge: Purge = { jobId: uuidv7(), folder, userId, paths: outermost(requested) };
  await recordPatiently(services, purge);
  const entries: DeletedEntry[] = [];
  let isQuick = true;
  try {
    await volume.createTrash(folder.id, purge.jobId);
    for (const [slot, path] of purge.paths.entries()) {
      const stat = await take(volume, purge, { path, slot, recursive });
      if (stat?.kind === 'directory') isQuick = false;
      entries.push({ path: formatEntryPath(path), outcome: stat === null ? 'not_found' : 'deleted' });
    }
  } finally {
    await finish(services, purge);
  }
  return { jobId: purge.jobId, entries, isQuick };
}
