import type { Executor } from '../db/client.ts';
import { markCloneDeleted, settleClone } from '../db/queries/folders.ts';
import { deleteFolderMembers, findMemberFolder, type MemberFolder } from '../db/queries/members.ts';
import { findFolderUsage } from '../db/queries/usage.ts';
import { parseEntryPath } from '../domain/entry-path.ts';
import { domainError } from '../domain/errors.ts';
import { addTrees, directoriesMaxOf, emptyTree, isTreeWithin, type TreeCount } from '../domain/quota.ts';
import type { JobContext, JobHandler, JobOutcome } from '../jobs/handler.ts';
import type { NewJob } from '../jobs/job-client.ts';
import { gatherOmissions } from '../storage/archive/omissions.ts';
import { noRoom } from './no-room.ts';
import type { WorkerServices } from './services.ts';
import { sourceVolumeOf } from './source-volume.ts';
import { folderIdOf, volumeOf } from './volume-of.ts';

/** Entries left out that a result names; the rest is only counted. */
const skippedListedMax = 100;

type Job = JobContext<'folder.clone'>['job'];

/** The source, if whoever asked may still make a folder of their own of it. @throws not_found */
async function requireSource(db: Executor, { actorId: userId, payload }: Job): Promise<MemberFolder> {
  const reference = { folderId: payload.sourceId, name: '', right: 'read' } as const;
  const source = userId === null ? null : await findMemberFolder(db, { userId, ...reference });
  if (source !== null && (source.isOwner || source.cloneable)) return source;
  throw domainError('not_found', 'The folder to clone is gone, or cloning it is no longer permitted.');
}

async function requireTarget(services: WorkerServices, folderId: string): Promise<TreeCount> {
  const target = await findFolderUsage(services.db, folderId);
  if (target?.state !== 'cloning') throw domainError('not_found', 'The folder to fill is gone.');
  return { bytes: target.quotaBytes, files: target.quotaFiles, directories: directoriesMaxOf(target) };
}

/** All of the limit is reserved for the clone, so it is compared with alone. */
function admitter(services: WorkerServices, folderId: string, limit: TreeCount) {
  let admitted = emptyTree;
  return async (entry: TreeCount): Promise<void> => {
    admitted = addTrees(admitted, entry);
    if (!isTreeWithin(admitted, limit)) throw await noRoom(services.db, folderId, admitted);
  };
}

async function fill(services: WorkerServices, context: JobContext<'folder.clone'>): Promise<JobOutcome> {
  const { job, signal } = context;
  const folderId = folderIdOf(job);
  const source = await requireSource(services.db, job);
  const limit = await requireTarget(services, folderId);
  const admit = admitter(services, folderId, limit);
  const omissions = gatherOmissions();
  const onSkip = omissions.add;
  const from = await sourceVolumeOf(services, { volume: job.volume, sourceVolume: source.volume });
  const entries = from.walk(source.id, parseEntryPath('', 'read'), { signal, onSkip });
  const of = { entries: source.usedFiles, bytes: source.usedBytes };
  const volume = volumeOf(services, job.volume);
  const tree = await context.step('tree.copy', () =>
    volume.copyTree(folderId, { area: 'data' }, entries, {
      signal,
      onSkip,
      admit,
      onProgress: (done) => context.report({ ...done, of }),
    }),
  );
  const { bytes, files } = tree;
  // What an earlier run copied and the source no longer has is part of the tree as well.
  if (!isTreeWithin(tree, limit)) throw await noRoom(services.db, folderId, tree);
  const skipped = omissions.listed.slice(0, skippedListedMax);
  return {
    result: { folder_id: folderId, bytes, files, skipped, skipped_count: omissions.count },
    settle: async (tx) => {
      await requireSource(tx, job);
      if (!(await settleClone(tx, { folderId, usage: tree }))) {
        throw domainError('not_found', 'The folder to fill is gone.');
      }
    },
  };
}

/** Ends a folder that was to be filled, and has it purged. @returns whether it still was to be */
export async function giveUpClone(
  services: Pick<WorkerServices, 'jobs'>,
  tx: Executor,
  { folderId, volume, trace }: Pick<NewJob, 'volume' | 'trace'> & { readonly folderId: string },
): Promise<boolean> {
  if (!(await markCloneDeleted(tx, folderId))) return false;
  await deleteFolderMembers(tx, folderId);
  const purge = { kind: 'folder.purge', payload: {}, volume, folderId, actorId: null, trace } as const;
  await services.jobs.enqueue(tx, purge);
  return true;
}

/**
 * Fills a folder that nobody sees with what another one holds, on any two volumes that a worker has, and shows it in
 * the transaction that ends the job. A run after a crash keeps what is whole. The source is read as it is found.
 */
export function cloneFolder(services: WorkerServices): JobHandler<'folder.clone'> {
  return {
    run: (context) => fill(services, context),
    abandon: async (tx, { folderId, volume, trace }) => {
      if (folderId !== null) await giveUpClone(services, tx, { folderId, volume, trace });
    },
  };
}
