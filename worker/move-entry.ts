import { z } from 'zod';
import { releaseClaims } from '../db/queries/path-claims.ts';
import { type EntryPath, formatEntryPath, parseEntryPath } from '../domain/entry-path.ts';
import { domainError, isDomainError } from '../domain/errors.ts';
import { type JobContext, type JobHandler, type JobOutcome, JobRetryError } from '../jobs/handler.ts';
import { measureRequest } from '../jobs/measure-request.ts';
import type { Volume } from '../storage/volume.ts';
import { chooseTarget } from './choose-target.ts';
import { claimJobPaths } from './claim-job-paths.ts';
import type { HandlerServices } from './services.ts';
import { stopUnlessStopping } from './stop.ts';
import { folderIdOf, volumeOf } from './volume-of.ts';

/** What was decided before anything moved; a run after a crash only finishes it. The claims stand as long. */
const checkpointSchema = z.object({ to: z.string(), inode: z.string() });

type Context = JobContext<'entry.move'>;
type Decision = z.infer<typeof checkpointSchema>;

/** Claims both names, then notes what is to be moved where, so that a run after a crash can tell done from not begun. */
async function decide(services: HandlerServices, context: Context, volume: Volume): Promise<Decision> {
  const { job } = context;
  const folderId = folderIdOf(job);
  const target = await chooseTarget(volume, folderId, job.payload);
  const to = formatEntryPath(target);
  const paths = [job.payload.from, to];
  await claimJobPaths(services, context, { folderId, actorId: job.actorId, paths, right: 'write' });
  const source = await volume.stat(folderId, parseEntryPath(job.payload.from, 'read'));
  if (source === null) throw domainError('entry_not_found', `"${job.payload.from}" does not exist.`);
  if ((await volume.stat(folderId, target)) !== null) {
    throw domainError('entry_conflict', `"${to}" exists; a move replaces nothing.`);
  }
  const decision = { to, inode: source.inode };
  await context.fenced(async () => undefined, decision);
  return decision;
}

/** A full volume is final only while nothing has moved; what it stopped half-way or left unsynced is tried again. */
async function resume(
  volume: Volume,
  folderId: string,
  path: { readonly from: EntryPath; readonly to: EntryPath },
  inode: string,
): Promise<void> {
  try {
    await volume.resumeMove(folderId, path.from, path.to, inode);
  } catch (error) {
    if (!isDomainError(error, 'volume_full')) throw error;
    const isUntouched =
      (await volume.stat(folderId, path.from))?.inode === inode &&
      (await volume.stat(folderId, path.to)) === null;
    throw isUntouched ? error : new JobRetryError(error);
  }
}

async function move(services: HandlerServices, context: Context): Promise<JobOutcome> {
  const { job, signal } = context;
  const folderId = folderIdOf(job);
  const volume = volumeOf(services, job.volume);
  const saved = checkpointSchema.safeParse(job.checkpoint);
  const { to, inode } = saved.success ? saved.data : await decide(services, context, volume);
  stopUnlessStopping(signal);
  const path = { from: parseEntryPath(job.payload.from, 'read'), to: parseEntryPath(to, 'read') };
  await resume(volume, folderId, path, inode);
  return {
    result: { path: to },
    settle: (tx) => releaseClaims(tx, job.id),
  };
}

/**
 * Renames an entry inside its folder. Nothing is replaced and usage stays what it is; both names are claimed, so that
 * commits, deletes and measurements see the tree before or after it.
 */
export function moveEntry(services: HandlerServices): JobHandler<'entry.move'> {
  return {
    run: (context) => move(services, context),
    abandon: async (tx, job) => {
      await releaseClaims(tx, job.id);
      // A run that broke in the middle may have left a file under both names; counting the tree tells the truth of it.
      if (job.folderId !== null && job.checkpoint !== null)
        await services.jobs.enqueue(tx, {
          ...measureRequest(job.folderId, job.volume, null),
          trace: job.trace,
        });
    },
  };
}
