import { z } from 'zod';
import { releaseCopy, reserveCopy, settleCopy } from '../db/queries/copies.ts';
import { findJob } from '../db/queries/jobs.ts';
import { findMemberFolder } from '../db/queries/members.ts';
import { releaseClaims } from '../db/queries/path-claims.ts';
import { formatEntryPath, parseEntryPath, splitEntryPath } from '../domain/entry-path.ts';
import { domainError, isDomainError } from '../domain/errors.ts';
import { isTerminal } from '../domain/job.ts';
import { addTrees, emptyTree, isTreeWithin, type TreeCount } from '../domain/quota.ts';
import { JobCancelledError } from '../jobs/abort-reasons.ts';
import {
  type JobContext,
  type JobHandler,
  type JobOutcome,
  JobRetryError,
  LeaseLostError,
} from '../jobs/handler.ts';
import { measureRequest } from '../jobs/measure-request.ts';
import { gatherOmissions } from '../storage/archive/omissions.ts';
import type { Volume } from '../storage/volume.ts';
import { chooseTarget } from './choose-target.ts';
import { claimJobPaths, requireActor } from './claim-job-paths.ts';
import { noRoom } from './no-room.ts';
import type { HandlerServices } from './services.ts';
import { sourceVolumeOf } from './source-volume.ts';
import { stopUnlessStopping } from './stop.ts';
import { folderIdOf, volumeOf } from './volume-of.ts';

/** Entries left out that a result names; the rest is only counted. */
const skippedListedMax = 100;

/** A tree that is staged whole and about to be shown; a run after a crash only finishes that. The claim stands as long. */
const checkpointSchema = z.object({
  to: z.string(),
  inode: z.string(),
  bytes: z.number(),
  files: z.number(),
  directories: z.number().default(0),
  skipped: z.array(z.object({ path: z.string(), reason: z.string() })),
  skippedCount: z.number(),
});

type Context = JobContext<'entries.copy'>;
type Staged = z.infer<typeof checkpointSchema>;

interface Work {
  readonly services: HandlerServices;
  readonly context: Context;
  readonly volume: Volume;
  readonly folderId: string;
}

/** Where the bytes come from: the folder itself, or another one, which may lie on another volume. */
type Source = Pick<Work, 'volume' | 'folderId'>;

/** The source, if whoever asked may still read it. @throws not_found, and what {@link sourceVolumeOf} throws */
async function requireSource({ services, context, volume, folderId }: Work): Promise<Source> {
  const { actorId: userId, payload } = context.job;
  if (payload.sourceId === undefined) return { volume, folderId };
  const reference = { folderId: payload.sourceId, name: '', right: 'read' } as const;
  const source = userId === null ? null : await findMemberFolder(services.db, { userId, ...reference });
  if (source === null) {
    throw domainError('not_found', 'The folder to copy from is gone, or reading it is no longer permitted.');
  }
  const copy = { volume: context.job.volume, sourceVolume: source.volume };
  return { volume: await sourceVolumeOf(services, copy), folderId: source.id };
}

/** Refuses early what the end would refuse, before anything is copied. @returns where the copy would go */
async function check({ services, context, volume, folderId }: Work, source: Source): Promise<string> {
  const { payload, actorId } = context.job;
  await requireActor(services.db, { folderId, actorId, right: 'write' });
  const found = await source.volume.stat(source.folderId, parseEntryPath(payload.from, 'read'));
  if (found === null) throw domainError('entry_not_found', `"${payload.from}" does not exist.`);
  if (found.kind !== 'file' && found.kind !== 'directory') {
    throw domainError('entry_not_regular', `"${payload.from}" is neither a regular file nor a directory.`);
  }
  const target = await chooseTarget(volume, folderId, payload);
  const to = formatEntryPath(target);
  if ((await volume.stat(folderId, target)) !== null) {
    throw domainError('entry_conflict', `"${to}" exists; a copy replaces nothing.`);
  }
  const parent = await volume.stat(folderId, splitEntryPath(target).parent);
  if (parent === null)
    throw domainError('entry_not_found', `The directory that shall hold "${to}" does not exist.`);
  if (parent.kind !== 'directory')
    throw domainError('entry_conflict', `What shall hold "${to}" is no directory.`);
  return to;
}

async function measureSource({ context }: Work, { volume, folderId }: Source): Promise<TreeCount> {
  const total = { bytes: 0, files: 0, directories: 0 };
  const { signal, job } = context;
  for await (const { stat } of volume.walk(folderId, parseEntryPath(job.payload.from, 'read'), { signal })) {
    if (stat.kind === 'directory') total.directories += 1;
    if (stat.kind !== 'file') continue;
    total.bytes += stat.sizeBytes;
    total.files += 1;
  }
  return total;
}

async function reserve({ services, context, folderId }: Work, amount: TreeCount): Promise<void> {
  const copy = { jobId: context.job.id, folderId };
  const isGranted = await context.fenced((tx) => reserveCopy(tx, copy, amount));
  if (!isGranted) throw await noRoom(services.db, folderId, amount);
}

/** Everything is reserved before it is written: what was measured at once, what the tree grew by since file by file. */
function admitter(work: Work, measured: TreeCount): (entry: TreeCount) => Promise<void> {
  let reserved = measured;
  let admitted = emptyTree;
  return async (entry) => {
    admitted = addTrees(admitted, entry);
    if (isTreeWithin(admitted, reserved)) return;
    reserved = {
      bytes: Math.max(reserved.bytes, admitted.bytes),
      files: Math.max(reserved.files, admitted.files),
      directories: Math.max(reserved.directories, admitted.directories),
    };
    await reserve(work, reserved);
  };
}

/** Copies to staging, out of everybody's sight; a later run continues what an earlier one left. */
async function stageTree(work: Work, source: Source): Promise<Omit<Staged, 'to'>> {
  const { context, volume, folderId } = work;
  const { job, signal } = context;
  const measured = await measureSource(work, source);
  await reserve(work, measured);
  const omissions = gatherOmissions();
  const onSkip = omissions.add;
  const start = parseEntryPath(job.payload.from, 'read');
  const entries = source.volume.walk(source.folderId, start, { signal, onSkip });
  const target = { area: 'stage', stageId: job.id, start } as const;
  const copied = await volume.copyTree(folderId, target, entries, {
    signal,
    onSkip,
    admit: admitter(work, measured),
    onProgress: (done) => context.report({ ...done, of: { entries: measured.files, bytes: measured.bytes } }),
  });
  const staged = await volume.statStage(folderId, job.id);
  if (staged === null) throw domainError('entry_not_found', `"${job.payload.from}" is gone.`);
  const directories = copied.directories + (staged.kind === 'directory' ? 1 : 0);
  const { bytes, files } = copied;
  // What an earlier run copied and the source no longer has is part of the tree as well.
  await reserve(work, { bytes, files, directories });
  const skipped = omissions.listed.slice(0, skippedListedMax);
  return { inode: staged.inode, bytes, files, directories, skipped, skippedCount: omissions.count };
}

/** Claims the target once the tree is whole, for a claim keeps others waiting. */
async function decide(work: Work): Promise<Staged> {
  const { services, context, folderId } = work;
  const source = await requireSource(work);
  const to = await check(work, source);
  const tree = await context.step('tree.stage', () => stageTree(work, source));
  // Copying may have taken hours; what may not be read any more is not shown either.
  await requireSource(work);
  const { actorId } = context.job;
  await claimJobPaths(services, context, { folderId, actorId, paths: [to], right: 'write' });
  const staged = { ...tree, to };
  await context.fenced(async () => undefined, staged);
  return staged;
}

/** A full volume refuses the copy only while nothing of it is in view. @throws JobRetryError otherwise */
async function show({ context, volume, folderId }: Work, { to, inode }: Staged): Promise<void> {
  const { id } = context.job;
  const path = parseEntryPath(to, 'read');
  try {
    await volume.publishTree(folderId, id, path, inode);
  } catch (error) {
    if (!isDomainError(error, 'volume_full')) throw error;
    const isUntouched =
      (await volume.statStage(folderId, id))?.inode === inode && (await volume.stat(folderId, path)) === null;
    throw isUntouched ? error : new JobRetryError(error);
  }
}

async function copy(work: Work): Promise<JobOutcome> {
  const { context } = work;
  const { job, signal } = context;
  const saved = checkpointSchema.safeParse(job.checkpoint);
  const staged = saved.success ? saved.data : await decide(work);
  stopUnlessStopping(signal);
  await context.step('tree.show', () => show(work, staged));
  const { to: path, bytes, files, directories, skipped, skippedCount } = staged;
  return {
    result: { path, bytes, files, skipped, skipped_count: skippedCount },
    settle: async (tx) => {
      await settleCopy(tx, job.id, { bytes, files, directories });
      await releaseClaims(tx, job.id);
    },
  };
}

/** Tells whether no later run can end better, so that what is staged is of no use any more. */
function isFinal(error: unknown, signal: AbortSignal): boolean {
  if (signal.aborted) return signal.reason instanceof JobCancelledError;
  return isDomainError(error) && error.code !== 'volume_unavailable' && error.code !== 'path_busy';
}

/** Frees what a refused copy held before its caller hears of it. What fails here, `uploads.expire` repeats. */
async function giveBack({ services, context, volume, folderId }: Work): Promise<void> {
  const { id, checkpoint, volume: volumeName, trace } = context.job;
  // Only while the job is ours: whoever took it over goes on with the staged tree.
  await context.fenced(async () => undefined);
  await volume.discardTree(folderId, id);
  await context.fenced(async (tx) => {
    const isLive = await releaseCopy(tx, id);
    // An earlier run may have shown the tree; counting tells.
    if (isLive && checkpoint !== null)
      await services.jobs.enqueue(tx, { ...measureRequest(folderId, volumeName, null), trace });
  });
}

/**
 * A run that lost its job to another may stage files after that one has ended, which nobody would show or discard. While
 * the other goes on, the tree is its own.
 */
async function leaveNothing({ services, context, volume, folderId }: Work): Promise<void> {
  const job = await findJob(services.db, { jobId: context.job.id, actorId: null });
  if (job !== null && isTerminal(job.state)) await volume.discardTree(folderId, job.id);
}

function isLost(error: unknown, signal: AbortSignal): boolean {
  return error instanceof LeaseLostError || signal.reason instanceof LeaseLostError;
}

/**
 * Copies an entry inside its folder, or from another one that its actor may read: reserves what it takes, stages the copy, shows it by one rename that replaces
 * nothing. The source is read as it is found, file by file; links and the like are left out and named.
 */
export function copyEntries(services: HandlerServices): JobHandler<'entries.copy'> {
  return {
    run: async (context) => {
      const volume = volumeOf(services, context.job.volume);
      const work = { services, context, volume, folderId: folderIdOf(context.job) };
      try {
        return await copy(work);
      } catch (error) {
        if (isLost(error, context.signal)) await leaveNothing(work).catch(() => undefined);
        else if (isFinal(error, context.signal)) await giveBack(work).catch(() => undefined);
        throw error;
      }
    },
    // The reservation stays until the staged tree is gone, which `uploads.expire` sees to.
    abandon: (tx, job) => releaseClaims(tx, job.id),
  };
}
