import type { Executor } from '../db/client.ts';
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

/** What ending trash takes. */
type TrashServices = Pick<WorkerServices, 'db' | 'jobs'>;

interface Swept {
  stages: number;
  trash: number;
  folders: number;
  /** Folders without a row that hold something, which nobody but an operator may remove. */
  aside: number;
}

/** Tells whether a sweep may touch it. */
export function isOld(stored: StoredName): boolean {
  return Date.now() - stored.modifiedAt.getTime() > graceMs;
}

function isUnfinished(state: JobState | undefined): boolean {
  return state === 'queued' || state === 'running';
}

/** Old staged files and trees that no open upload session and no unfinished copy can own. */
export async function findStageLitter(db: Executor, volume: Volume, folderId: string): Promise<string[]> {
  const old = (await volume.listStages(folderId)).filter(isOld);
  if (old.length === 0) return [];
  const owned = await listOwnedStageIds(db, folderId);
  const unowned = old.filter((stored) => !owned.has(stored.id)).map(({ id }) => id);
  const jobs = await findJobStates(db, unowned);
  return unowned.filter((id) => !isUnfinished(jobs.get(id)));
}

async function sweepStages(services: WorkerServices, volume: Volume, folderId: string): Promise<number> {
  const litter = await findStageLitter(services.db, volume, folderId);
  for (const id of litter) await volume.discardTree(folderId, id);
  return litter.length;
}

/** Old trash that belongs to no unfinished job: the job has its id. */
export async function findTrashLitter(db: Executor, volume: Volume, folderId: string): Promise<string[]> {
  const old = (await volume.listTrash(folderId)).filter(isOld).map(({ id }) => id);
  if (old.length === 0) return [];
  const states = await findJobStates(db, old);
  return old.filter((id) => !isUnfinished(states.get(id)));
}

/**
 * Ends what {@link findTrashLitter} found. Without success its job gets another go, which also settles its usage. What lies
 * there after success came too late to be counted: it goes, and a recount follows.
 */
export async function endTrashLitter(
  services: TrashServices,
  volume: Volume,
  trash: { readonly folderId: string; readonly id: string },
): Promise<void> {
  const { folderId, id } = trash;
  if (await requeuePurge(services.db, id)) {
    services.jobs.dispatch([id]);
    return;
  }
  await volume.purgeTrash(folderId, id);
  await services.jobs.enqueue(services.db, measureRequest(folderId, volume.name, null));
}

async function sweepTrash(services: WorkerServices, volume: Volume, folderId: string): Promise<number> {
  const litter = await findTrashLitter(services.db, volume, folderId);
  for (const id of litter) await endTrashLitter(services, volume, { folderId, id });
  return litter.length;
}

/** A deleted folder whose purge is not on its way gets one. @returns how many it got */
export async function resumePurge(
  services: TrashServices,
  volume: Pick<Volume, 'name'>,
  folderId: string,
): Promise<number> {
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
