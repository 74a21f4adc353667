import { uuidv7 } from 'uuidv7';
import { failureOf } from '../../db/failure.ts';
import { findJob, holdJob } from '../../db/queries/jobs.ts';
import {
  type ClaimedEntry,
  claimPaths,
  noteClaimedEntries,
  retireClaims,
} from '../../db/queries/path-claims.ts';
import { waitForPaths } from '../../db/wait-for-paths.ts';
import type { DeleteOutcome } from '../../domain/delete-outcome.ts';
import { type EntryPath, formatEntryPath, isWithin, parseNamedEntryPath } from '../../domain/entry-path.ts';
import { type DomainError, domainError, isDomainError } from '../../domain/errors.ts';
import { requireWritable, type WriteCondition } from '../../domain/write-condition.ts';
import type { EntryKind, Volume } from '../../storage/volume.ts';
import { type FolderAccess, folderNotFound, loadFolder, writableVolume } from '../authorize.ts';
import type { Services } from '../services.ts';

/**
 * The purge job waits this long for a sign of the request; after that it does the rest itself. Far longer than a rename
 * on any storage that works, far shorter than others want to wait for the paths of a process that died.
 */
const holdMs = 20_000;
const holdRenewMs = 5_000;
const busyWaitMs = 5_000;

/** The services that deleting needs. */
export type DeletionServices = Pick<Services, 'db' | 'jobs' | 'volumes'>;

/** What to delete, as it came. */
export interface DeleteRequest {
  readonly userId: string;
  readonly nameOrId: string;
  readonly files: readonly string[];
  readonly recursive: boolean;
  /** What has to hold for each of the files. */
  readonly condition?: WriteCondition | undefined;
}

/** What became of one path. */
export interface DeletedEntry {
  readonly path: string;
  readonly outcome: DeleteOutcome;
}

/** `jobId` frees the entries. */
export interface DeleteResult {
  readonly jobId: string;
  /** As far as this request got. */
  readonly entries: readonly DeletedEntry[];
  /** No directory is among them. */
  readonly isQuick: boolean;
  /** The job does the rest of the request, for it could not be finished here; its result names the outcomes then. */
  readonly isHandedOver: boolean;
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

/** Looks at everything first: one refusal refuses the whole request. @returns the identities by path */
async function checkAll(
  volume: Volume,
  folderId: string,
  paths: readonly EntryPath[],
  { recursive, condition }: Pick<DeleteRequest, 'recursive' | 'condition'>,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const path of paths) {
    const stat = await volume.stat(folderId, path);
    if (stat === null) throw domainError('entry_not_found', `"${formatEntryPath(path)}" does not exist.`);
    requireWritable(condition, stat);
    if (stat.kind === 'directory' && !recursive) throw needsRecursive(formatEntryPath(path));
    found.set(formatEntryPath(path), stat.identity);
  }
  return found;
}

interface Purge {
  readonly jobId: string;
  readonly folder: FolderAccess;
  readonly userId: string;
  readonly paths: readonly EntryPath[];
}

/** @throws path_busy, not_found; nothing is recorded then */
async function recordPurge(
  services: DeletionServices,
  { jobId, folder, userId }: Purge,
  entries: readonly ClaimedEntry[],
): Promise<void> {
  await services.db.transaction(async (tx) => {
    await services.jobs.enqueue(tx, {
      id: jobId,
      kind: 'trash.purge',
      payload: { trashId: jobId },
      volume: folder.volume,
      folderId: folder.id,
      actorId: userId,
      holdMs,
    });
    const claim = { folderId: folder.id, jobId };
    const outcome = await claimPaths(tx, { ...claim, paths: entries.map(({ path }) => path) });
    if (outcome === 'folder_gone') throw folderNotFound();
    if (outcome === 'busy') {
      throw domainError('path_busy', 'Another change of one of these paths is still in progress.');
    }
    await noteClaimedEntries(tx, { ...claim, entries });
  });
}

/** As {@link recordPurge}; a commit whose answer got lost is looked up, for the job would act on it. */
async function recordSurely(
  services: DeletionServices,
  purge: Purge,
  entries: readonly ClaimedEntry[],
): Promise<void> {
  try {
    await recordPurge(services, purge, entries);
  } catch (error) {
    if (failureOf(error) !== 'lost') throw error;
    const job = await findJob(services.db, { jobId: purge.jobId, actorId: null }).catch(() => null);
    if (job === null) throw error;
  }
}

/**
 * Records the purge, claims the paths and notes what has them before anything moves; waits a while for others to let go
 * of them, and looks again after that.
 */
async function recordPatiently(
  services: DeletionServices,
  purge: Purge,
  look: () => Promise<ReadonlyMap<string, string>>,
): Promise<void> {
  const limit = { deadline: performance.now() + busyWaitMs };
  const paths = purge.paths.map(formatEntryPath);
  for (;;) {
    const found = await look();
    try {
      const entries = paths.map((path, slot) => ({ path, slot, identity: found.get(path) ?? '' }));
      await recordSurely(services, purge, entries);
      return;
    } catch (error) {
      if (!isDomainError(error, 'path_busy')) throw error;
      const claim = { folderId: purge.folder.id, jobId: purge.jobId, paths };
      if (!(await waitForPaths(services.db, claim, limit))) throw error;
    }
  }
}

/** Takes one entry out of view. */
async function take(
  volume: Volume,
  purge: Purge,
  entry: { path: EntryPath; slot: number; recursive: boolean },
): Promise<{ readonly outcome: DeletedEntry['outcome']; readonly kind?: EntryKind }> {
  try {
    const { kind } = await volume.trashEntry(purge.folder.id, entry.path, purge.jobId, entry.slot);
    if (kind !== 'directory' || entry.recursive) return { outcome: 'deleted', kind };
    // A container put a directory in the place of the file that was looked at.
    const isBack = await volume.restoreTrash(purge.folder.id, purge.jobId, entry.slot, entry.path);
    return isBack ? { outcome: 'changed' } : { outcome: 'deleted', kind };
  } catch (error) {
    if (isDomainError(error, 'entry_not_found')) return { outcome: 'not_found' };
    if (!isDomainError(error, 'entry_conflict')) throw error;
    if ((await volume.statTrash(purge.folder.id, purge.jobId, entry.slot)) !== null) throw error;
    return { outcome: 'kept' };
  }
}

/** Keeps the job waiting while renames go on. @returns false when it has begun: the rest is its own */
function keepHold(services: DeletionServices, jobId: string): () => Promise<boolean> {
  let renewedAt = performance.now();
  return async () => {
    if (performance.now() - renewedAt < holdRenewMs) return true;
    renewedAt = performance.now();
    return await holdJob(services.db, { jobId, dispatchInMs: holdMs });
  };
}

/** @returns whether every path was tried; if not, some may have been taken out nevertheless */
async function takeAll(
  volume: Volume,
  purge: Purge,
  options: {
    readonly recursive: boolean;
    readonly entries: DeletedEntry[];
    readonly isHeld: () => Promise<boolean>;
  },
): Promise<{ readonly isWhole: boolean; readonly isQuick: boolean }> {
  let isQuick = true;
  try {
    for (const [slot, path] of purge.paths.entries()) {
      if (!(await options.isHeld())) return { isWhole: false, isQuick };
      const { outcome, kind } = await take(volume, purge, { path, slot, recursive: options.recursive });
      if (kind === 'directory') isQuick = false;
      options.entries.push({ path: formatEntryPath(path), outcome });
    }
    return { isWhole: true, isQuick };
  } catch {
    // Whatever it was, the job meets it as well, and has more than one try.
    return { isWhole: false, isQuick };
  }
}

/** Ends the hold. With `isWhole` the claims go: the job only frees what lies in the trash. @returns false if it has begun */
async function letGo(services: DeletionServices, purge: Purge, isWhole: boolean): Promise<boolean> {
  try {
    return await services.db.transaction(async (tx) => {
      await services.jobs.release(tx, purge.jobId);
      return isWhole && (await retireClaims(tx, { folderId: purge.folder.id, jobId: purge.jobId }));
    });
  } catch (error) {
    // Whether the commit took effect is in the job's result: it names the outcomes if the claims were left to it.
    if (failureOf(error) !== 'lost') throw error;
    return false;
  } finally {
    services.jobs.dispatch([purge.jobId]);
  }
}

/**
 * Takes entries out of view by one rename each, whatever their size, and leaves freeing them to a job. Files uploaded
 * to the same names afterwards are never touched: the job only knows the trash directory of this request. All paths or
 * none: when the request cannot go on, or its process dies, the job does the rest before it lets go of the paths.
 * @throws not_found, path_invalid, entry_not_found, directory_not_recursive, precondition_failed, path_busy, volume_full,
 *   volume_unavailable; nothing is deleted then
 */
export async function deleteEntries(
  services: DeletionServices,
  request: DeleteRequest,
): Promise<DeleteResult> {
  const { userId, nameOrId, recursive, condition } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'delete' });
  const volume = writableVolume(services, folder);
  const requested = request.files.map((file) => parseNamedEntryPath(file, 'read'));
  const purge: Purge = { jobId: uuidv7(), folder, userId, paths: outermost(requested) };
  const look = () => checkAll(volume, folder.id, requested, request);
  await recordPatiently(services, purge, look);
  // From before the trash is made: whoever makes it late must notice that the job has used and removed it.
  const isHeld = keepHold(services, purge.jobId);
  try {
    // What was looked at may have been replaced before its path was claimed; from here on nobody else replaces it.
    if (condition !== undefined) await look();
    await volume.createTrash(folder.id, purge.jobId);
  } catch (error) {
    await letGo(services, purge, true);
    throw error;
  }
  const entries: DeletedEntry[] = [];
  const { isWhole, isQuick } = await takeAll(volume, purge, { recursive, entries, isHeld });
  const isHandedOver = !(await letGo(services, purge, isWhole));
  return { jobId: purge.jobId, entries, isQuick, isHandedOver };
}
