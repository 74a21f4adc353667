import { findFolderPurge, findFolderStates, findJobStates, requeuePurge } from '../db/queries/sweep.ts';
import { listOwnedStageIds } from '../db/queries/uploads.ts';
import type { FolderState } from '../db/schema/folders.ts';
import { isDomainError } from '../domain/errors.ts';
import type { JobState } from '../domain/job.ts';
import type { JobContext, JobHandler } from '../jobs/handler.ts';
import { measureRequest } from '../jobs/measure-request.ts';
import type { StoredName, Volume } from '../storage/volume.ts';
import type { WorkerServices } from './services.ts';
import { holdsEntries, setAside } from './set-aside.ts';
import { volumeOf } from './volume-of.ts';

/** Nothing younger is touched: longer than any lease, so that whoever made it has long recorded it or died. */
const graceMs = 60 * 60 * 1000;

interface Swept {
  stages: number;
  trash: number;
  folders: number;
  /** Folders without a row that hold something, which nobody but an operator may remove. */
  aside: number;
}

function isOld(stored: StoredName): boolean {
  return Date.now() - stored.modifiedAt.getTime() > graceMs;
}

function isUnfinished(state: JobState | undefined): boolean {
  return state === 'queued' || state === 'running';
}

/** Removes staged files and trees that no open upload session and no unfinished copy can own. */
async function sweepStages(services: WorkerServices, volume: Volume, folderId: string): Promise<number> {
  const old = (await volume.listStages(folderId)).filter(isOld);
  if (old.length === 0) return 0;
  const owned = await listOwnedStageIds(services.db, folderId);
  const unowned = old.filter((stored) => !owned.has(stored.id)).map(({ id }) => id);
  const jobs = await findJobStates(services.db, unowned);
  const litter = unowned.filter((id) => !isUnfinished(jobs.get(id)));
  for (const id of litter) await volume.discardTree(folderId, id);
  return litter.length;
}

/**
 * Trash belongs to the job of the same id. Without success it gets another go, which also settles its usage. What lies
 * there after success came too late to be counted: it goes, and a recount follows.
 */
async function sweepTrash(services: WorkerServices, volume: Volume, folderId: string): Promise<number> {
  const old = (await volume.listTrash(folderId)).filter(isOld);
  if (old.length === 0) return 0;
  const states = await findJobStates(
    services.db,
    old.map((stored) => stored.id),
  );
  let swept = 0;
  for (const { id } of old) {
    if (isUnfinished(states.get(id))) continue;
    swept += 1;
    if (await requeuePurge(services.db, id)) {
      services.jobs.dispatch([id]);
      continue;
    }
    await volume.purgeTrash(folderId, id);
    await services.jobs.enqueue(services.db, measureRequest(folderId, volume.name, null));
  }
  return swept;
}

/** A deleted folder whose purge is not on its way gets one. */
async function resumePurge(services: WorkerServices, volume: Volume, folderId: string): Promise<number> {
  const purge = await findFolderPurge(services.db, folderId);
  if (isUnfinished(purge?.state)) return 0;
  if (purge !== null && (await requeuePurge(services.db, purge.id))) {
    services.jobs.dispatch([purge.id]);
    return 1;
  }
  const id = await services.jobs.enqueue(services.db, {
    kind: 'folder.purge',
    payload: {},
    volume: volume.name,
    folderId,
    actorId: null,
  });
  services.jobs.dispatch([id]);
  return 1;
}

async function sweepFolder(
  services: WorkerServices,
  volume: Volume,
  folder: StoredName,
  state: FolderState | undefined,
  swept: Swept,
): Promise<void> {
  if (state === 'active' || state === 'trashed') {
    swept.stages += await sweepStages(services, volume, folder.id);
    swept.trash += await sweepTrash(services, volume, folder.id);
  } else if (state === 'deleted') {
    swept.folders += await resumePurge(services, volume, folder.id);
  } else if (state === 'cloning') {
    // It belongs to its job, whose end shows it or has it purged.
  } else if (isOld(folder)) {
    if (state === undefined && (await holdsEntries(volume, folder.id))) {
      if (await setAside(volume, folder.id)) swept.aside += 1;
      return;
    }
    // Without a row: the request that made the directories died before it could record the folder.
    await volume.purgeFolder(folder.id);
    swept.folders += 1;
  }
}

async function sweepVolume(
  services: WorkerServices,
  volume: Volume,
  context: JobContext<'storage.sweep'>,
): Promise<Swept> {
  const swept: Swept = { stages: 0, trash: 0, folders: 0, aside: 0 };
  for await (const batch of volume.listFolders()) {
    const states = await findFolderStates(
      services.db,
      batch.map((folder) => folder.id),
    );
    for (const folder of batch) {
      context.signal.throwIfAborted();
      try {
        await sweepFolder(services, volume, folder, states.get(folder.id), swept);
      } catch (error) {
        // The folder was purged while it was looked at.
        if (!isDomainError(error, 'entry_not_found')) throw error;
      }
    }
  }
  return swept;
}

/**
 * Removes what crashes left on a volume: staged files, trash and folder directories that no row owns. A folder without a
 * row that holds something is set aside instead.
 */
export function sweepStorage(services: WorkerServices): JobHandler<'storage.sweep'> {
  return {
    run: async (context) => {
      const volume = volumeOf(services, context.job.volume);
      return { result: { swept: await sweepVolume(services, volume, context) } };
    },
  };
}
