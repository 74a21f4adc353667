import { z } from 'zod';
import type { CommitFile, UploadSession } from '../db/queries/uploads.ts';
import type { EntryPath } from '../domain/entry-path.ts';
import { type ErrorCode, errorCodes, isDomainError } from '../domain/errors.ts';
import { stageIdOf } from '../domain/upload-session.ts';
import { type JobContext, JobRetryError } from '../jobs/handler.ts';
import type { FolderLookups, Volume } from '../storage/volume.ts';
import { stopUnlessStopping } from './stop.ts';

/** Renames of one upload that are asked for at a time; the volume takes them together. */
const parallelCommits = 32;

type Context = JobContext<'upload.commit'>;

/** A file to publish, with its target parsed. */
export interface Target {
  readonly file: CommitFile;
  readonly path: EntryPath;
}

/** Where an upload is committed, with what the run has looked up there. */
export interface CommitSite {
  readonly volume: Volume;
  readonly upload: UploadSession;
  readonly lookups: FolderLookups;
}

/** A file that is given up. It may be visible nevertheless: a rename whose sync failed is not promised to anybody. */
const failureSchema = z.object({ path: z.string(), code: z.enum(errorCodes), isVisible: z.boolean() });
const checkpointSchema = z.object({ failed: z.array(failureSchema) });

type Failure = z.infer<typeof failureSchema>;

/** What a run did with the targets it tried. */
interface Pass {
  readonly refused: Failure[];
  readonly broken: { readonly target: Target; readonly error: unknown }[];
}

/** Files that an earlier run gave up for good. Their stages are gone, which must not be read as their being in place. */
function failedBefore({ job }: Context): readonly Failure[] {
  const saved = checkpointSchema.safeParse(job.checkpoint);
  return saved.success ? saved.data.failed : [];
}

function codeOf(error: unknown): ErrorCode {
  return isDomainError(error) ? error.code : 'internal';
}

async function tryOne({ volume, upload, lookups }: CommitSite, target: Target, pass: Pass): Promise<void> {
  try {
    // `stage_missing` means that an earlier run renamed it: staged names are never used twice.
    const stageId = stageIdOf(upload.id, target.file.ordinal);
    await volume.commitStage(upload.folderId, stageId, target.path, lookups);
  } catch (error) {
    if (isDomainError(error, 'entry_conflict')) {
      pass.refused.push({ path: target.file.path, code: error.code, isVisible: false });
    } else pass.broken.push({ target, error });
  }
}

/**
 * Renames what can be renamed. A target that a container made unreplaceable since it was looked at is refused, for the
 * others may be visible already. Any other failure ends the pass, except on the last attempt, which tries everything.
 */
async function tryAll({ signal, job }: Context, site: CommitSite, targets: readonly Target[]): Promise<Pass> {
  const pass: Pass = { refused: [], broken: [] };
  const queue = targets.values();
  const work = async () => {
    for (const target of queue) {
      stopUnlessStopping(signal);
      if (pass.broken.length > 0 && !job.isLastAttempt) return;
      await tryOne(site, target, pass);
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: parallelCommits }, () => work()));
  const stopped = outcomes.find((outcome) => outcome.status === 'rejected');
  if (stopped !== undefined) throw stopped.reason;
  return pass;
}

/** The targets whose staged file is gone: they are in place, whatever the call that renamed them answered. */
async function findVisible(
  { volume, upload }: CommitSite,
  targets: readonly Target[],
): Promise<ReadonlySet<Target>> {
  const visible = new Set<Target>();
  for (const target of targets) {
    const stage = await volume.statStage(upload.folderId, stageIdOf(upload.id, target.file.ordinal));
    if (stage === null) visible.add(target);
  }
  return visible;
}

/**
 * Decides about a pass that met a failing volume. While nothing is visible, a full volume refuses the upload whole.
 * Afterwards it only goes forward: another run may find room. The last one gives up what it could not place.
 */
async function giveUpBroken(
  { job }: Context,
  site: CommitSite,
  { targets, broken }: { readonly targets: readonly Target[]; readonly broken: Pass['broken'] },
): Promise<Failure[]> {
  const error = broken[0]?.error;
  const isFull = isDomainError(error, 'volume_full');
  if (!isFull && !job.isLastAttempt) throw error;
  const visible = await findVisible(site, targets);
  if (visible.size === 0) throw error;
  if (isFull && !job.isLastAttempt) throw new JobRetryError(error);
  return broken.map(({ target, error: reason }) => ({
    path: target.file.path,
    code: codeOf(reason),
    isVisible: visible.has(target),
  }));
}

/** Removes what can no longer land. Saved first, so that a missing stage is not taken for a file in place. */
async function discardFailed(
  context: Context,
  { volume, upload }: CommitSite,
  { targets, failed }: { readonly targets: readonly Target[]; readonly failed: readonly Failure[] },
): Promise<void> {
  await context.fenced(async () => undefined, { failed });
  const hidden = new Set(failed.filter(({ isVisible }) => !isVisible).map(({ path }) => path));
  for (const { file } of targets.filter(({ file }) => hidden.has(file.path))) {
    await volume.discardStage(upload.folderId, stageIdOf(upload.id, file.ordinal));
  }
}

/**
 * Puts every file in its place. From the first rename on the upload only goes forward, over as many runs as the job has.
 * @returns `landed`: what is visible and counts; `failed`: what must not be promised, which includes the few of `landed`
 *   whose rename happened but could not be made durable
 * @throws volume_full while nothing is visible; otherwise what calls for another run
 */
export async function publish(
  context: Context,
  site: CommitSite,
  targets: readonly Target[],
): Promise<{ readonly landed: readonly Target[]; readonly failed: readonly Failure[] }> {
  const given = failedBefore(context);
  const isGivenUp = ({ file }: Target) => given.some(({ path }) => path === file.path);
  const wanted = targets.filter((target) => !isGivenUp(target));
  const { refused, broken } = await tryAll(context, site, wanted);
  const lost = broken.length === 0 ? [] : await giveUpBroken(context, site, { targets: wanted, broken });
  const failed = [...given, ...refused, ...lost];
  if (failed.length > 0) await discardFailed(context, site, { targets, failed });
  const hidden = new Set(failed.filter(({ isVisible }) => !isVisible).map(({ path }) => path));
  return { landed: targets.filter(({ file }) => !hidden.has(file.path)), failed };
}
