import { countDirectories, type DirectoryCount } from '../db/directory-count.ts';
import { releaseClaims } from '../db/queries/path-claims.ts';
import type { ReplacedNote } from '../db/queries/upload-commits.ts';
import {
  abortUpload,
  type CommitFile,
  findUpload,
  growUpload,
  releaseUpload,
  type UploadSession,
} from '../db/queries/uploads.ts';
import { type EntryPath, formatEntryPath, parseEntryPath, splitEntryPath } from '../domain/entry-path.ts';
import { domainError, isDomainError } from '../domain/errors.ts';
import { stageIdOf } from '../domain/upload-session.ts';
import { requireWritable } from '../domain/write-condition.ts';
import { type JobContext, type JobHandler, type JobOutcome, LeaseLostError } from '../jobs/handler.ts';
import { measureRequest } from '../jobs/measure-request.ts';
import type { EntryStat } from '../storage/volume.ts';
import { claimJobPaths } from './claim-job-paths.ts';
import { type CommitStatements, shareCommitStatements } from './commit-statements.ts';
import { completeStages } from './complete-stage.ts';
import { describeWrite } from './conditional-write.ts';
import { discardStages } from './discard-stages.ts';
import { type Naming, takeFreeNames } from './name-files.ts';
import { notesOf, type TargetLook } from './note-replaced.ts';
import { type CommitSite, publish, type Target } from './publish-files.ts';
import type { HandlerServices } from './services.ts';
import { volumeOf } from './volume-of.ts';

const refusals = [
  'entry_conflict',
  'not_found',
  'volume_full',
  'quota_exceeded',
  'precondition_failed',
  'path_invalid',
] as const;

/** Files that are looked at at a time; the volume takes them together. */
const parallelLooks = 32;

type Context = JobContext<'upload.commit'>;

interface CommitServices extends HandlerServices {
  readonly commits: CommitStatements;
}

interface CommitNaming extends Naming, CommitSite {
  readonly services: CommitServices;
  readonly directories: DirectoryCount;
}

/** Parents of targets that are not there. */
interface MissingParents {
  /** Those that hold a target themselves. */
  readonly direct: EntryPath[];
  /** All of them, those above others included. */
  count: number;
}

/**
 * Refuses a path below something that is no directory. `seen` keeps the parents that were looked at, for files of one
 * upload mostly share them. Adds to `missing` what has to be made.
 */
async function requireParents(
  { volume, lookups }: Pick<CommitNaming, 'volume' | 'lookups'>,
  target: { readonly folderId: string; readonly path: EntryPath },
  seen: Set<string>,
  missing: MissingParents,
): Promise<void> {
  let { parent } = splitEntryPath(target.path);
  const above = parent;
  while (parent.length > 0 && !seen.has(formatEntryPath(parent))) {
    seen.add(formatEntryPath(parent));
    const stat = await volume.stat(target.folderId, parent, lookups);
    if (stat?.kind === 'directory') return;
    if (stat !== null) {
      throw domainError('entry_conflict', `"${formatEntryPath(parent)}" exists and is not a directory.`);
    }
    missing.count += 1;
    if (parent === above) missing.direct.push(parent);
    parent = splitEntryPath(parent).parent;
  }
}

/**
 * Sees to it that every file which replaces none has room. An upload into a folder that holds all the files it may brings
 * none for those that had something to replace when they came; what they were to replace may be gone. @throws quota_exceeded
 */
async function reserveNewFiles(
  context: Context,
  upload: UploadSession,
  { targets, notes }: { readonly targets: readonly Target[]; readonly notes: readonly ReplacedNote[] },
): Promise<void> {
  const noted = new Map(notes.map(({ ordinal, files }) => [ordinal, files]));
  const replaced = targets.reduce(
    (sum, { file }) => sum + (noted.get(file.ordinal) ?? file.replacedFiles ?? 0),
    0,
  );
  const files = targets.length - replaced - upload.reservedFiles;
  if (files <= 0) return;
  const growth = { id: upload.id, amount: { bytes: 0, files }, state: 'staged' } as const;
  const outcome = await context.fenced((tx) => growUpload(tx, growth));
  if (outcome === 'granted') return;
  throw domainError('quota_exceeded', 'The folder has no room for the files of this upload that are new.', {
    extra: { resource: 'files', requested: files },
  });
}

/** Kept until the end: a run after the rename finds in place what it would take for replaced. @throws LeaseLostError */
async function note(
  { services, context, upload }: CommitNaming,
  notes: readonly ReplacedNote[],
): Promise<void> {
  if (notes.length === 0) return;
  const { claim } = context;
  if (!(await services.commits.note({ claim, uploadId: upload.id, notes }))) throw new LeaseLostError();
}

interface Look extends Target {
  readonly staged: EntryStat | null;
  readonly target: EntryStat | null;
}

/** What the stages and targets of files are, in the order of the files. */
async function* lookAt(
  { volume, upload, lookups }: CommitNaming,
  targets: readonly Target[],
): AsyncGenerator<Look> {
  for (let start = 0; start < targets.length; start += parallelLooks) {
    const looks = targets.slice(start, start + parallelLooks).map(async ({ file, path }) => {
      const [staged, target] = await Promise.all([
        volume.statStage(upload.folderId, stageIdOf(upload.id, file.ordinal), lookups),
        volume.stat(upload.folderId, path, lookups),
      ]);
      return { file, path, staged, target };
    });
    // None may go on behind the end of the run, whose lookups close.
    await Promise.allSettled(looks);
    yield* looks;
  }
}

/**
 * Looks at stage and target of every file that has no note yet, before anything is renamed, so that a refusal refuses
 * the whole upload. Directories that several files need are made here for the same reason: they are what takes room.
 */
async function inspect(naming: CommitNaming, targets: readonly Target[]): Promise<void> {
  const { context, volume, upload, directories } = naming;
  const looks: TargetLook[] = [];
  const seen = new Set<string>();
  const missing: MissingParents = { direct: [], count: 0 };
  const unnoted = targets.filter(({ file }) => file.replacedBytes === null);
  for await (const { file, path, staged, target } of lookAt(naming, unnoted)) {
    if (staged === null || staged.sizeBytes !== file.sizeBytes || staged.inode !== file.inode) {
      throw domainError('upload_aborted', 'The staged bytes of this upload are gone.');
    }
    requireWritable(context.job.payload.condition, target);
    if (target === null) await requireParents(naming, { folderId: upload.folderId, path }, seen, missing);
    looks.push({ ordinal: file.ordinal, path: file.path, target });
  }
  const notes = notesOf(looks);
  await reserveNewFiles(context, upload, { targets, notes });
  if (missing.count > 0) await directories.admit(missing.count);
  if (targets.length > 1) {
    const room = { admit: async () => undefined, onMade: directories.onMade };
    const options = { parents: true, existOk: true, room };
    for (const parent of missing.direct) await volume.makeDirectory(upload.folderId, parent, options);
  }
  await note(naming, notes);
}

/**
 * Claims the paths that the files are to be put at, and finds the names first that the condition leaves to us.
 * @returns the files as they are to be published
 */
async function claimTargets(naming: Naming, files: readonly CommitFile[]): Promise<readonly CommitFile[]> {
  const { services, context, upload } = naming;
  const isRenaming = context.job.payload.condition?.ifExists === 'rename';
  // All files get their notes together, after which they may be in place: their names stay.
  const isNoted = files.some(({ replacedBytes }) => replacedBytes !== null);
  if (isRenaming && !isNoted) return await takeFreeNames(naming, files);
  const { folderId, actorId } = upload;
  const paths = files.map(({ path }) => path);
  await claimJobPaths(services, context, { folderId, actorId, paths, right: 'write' });
  return files;
}

function missingOf(targets: readonly Target[], landed: readonly Target[]): number[] {
  const visible = new Set(landed);
  return targets.filter((target) => !visible.has(target)).map(({ file }) => file.ordinal);
}

async function commit(services: CommitServices, context: Context): Promise<JobOutcome> {
  const { uploadId } = context.job.payload;
  // As of this run's claim of the job: nothing that an earlier run noted can be written after it.
  const upload = await services.commits.load(uploadId);
  if (upload === null || upload.state !== 'staged') {
    throw domainError('upload_aborted', 'The upload was abandoned before it could be committed.');
  }
  const volume = volumeOf(services, context.job.volume);
  const complete = await context.step('stages.complete', () =>
    completeStages(services, context, volume, { upload, files: upload.files }),
  );
  const files = await context.step('paths.claim', () =>
    claimTargets({ services, context, volume, upload }, complete),
  );
  const targets = files.map((file) => ({ file, path: parseEntryPath(file.path, 'write') }));
  // From here on the claims keep other jobs from changing what is looked up.
  const lookups = await volume.openLookups(upload.folderId);
  const directories = countDirectories(services.db, upload.folderId);
  try {
    return await place({ services, context, volume, upload, lookups, directories }, targets);
  } finally {
    lookups.close();
    await directories.settle(lookups.directoriesMade());
  }
}

/** Puts the files of an upload, whose paths are claimed, in their places. @returns what is to be settled */
async function place(naming: CommitNaming, targets: readonly Target[]): Promise<JobOutcome> {
  const { services, context, upload } = naming;
  await context.step('entries.inspect', () => inspect(naming, targets));
  const { landed, failed } = await context.step('entries.publish', () => publish(context, naming, targets));
  const { condition } = context.job.payload;
  const [first] = landed;
  const written = condition === undefined || first === undefined ? {} : await describeWrite(naming, first);
  const { id: uploadId, folderId } = upload;
  return {
    result: {
      ...written,
      files: landed
        .filter(({ file }) => !failed.some(({ path }) => path === file.path))
        .map(({ file }) => ({ path: file.path, size: file.sizeBytes, sha256: file.sha256 })),
      failed: failed.map(({ path, code }) => ({ path, code })),
    },
    end: (end) => services.commits.end({ ...end, folderId, uploadId, missing: missingOf(targets, landed) }),
  };
}

/**
 * Frees what a refused upload held before its caller hears of the refusal, so that the next try finds the room. What
 * fails here the reaper repeats, for the session says `aborting`.
 */
async function giveBack(services: HandlerServices, context: Context): Promise<void> {
  const { uploadId } = context.job.payload;
  const upload = await findUpload(services.db, uploadId);
  if (upload === null || !(await context.fenced((tx) => abortUpload(tx, uploadId)))) return;
  const volume = volumeOf(services, context.job.volume);
  await discardStages(services, volume, upload);
  await context.fenced((tx) => releaseUpload(tx, uploadId));
}

/** A conflict, a right that is gone, or no room: found before anything is visible, it refuses the upload whole. */
async function commitOrGiveBack(services: CommitServices, context: Context): Promise<JobOutcome> {
  try {
    return await commit(services, context);
  } catch (error) {
    const isRefusal = refusals.some((code) => isDomainError(error, code));
    if (isRefusal) await giveBack(services, context).catch(() => undefined);
    throw error;
  }
}

/**
 * Makes the files of a staged upload visible: completes what came in pieces, claims the paths, notes what is replaced,
 * renames each file into place, then settles usage with the end of the job. A crash at any point is carried forward by the
 * next run; a fault that lasts ends the job with what landed settled and the rest named.
 */
export function commitUpload(given: HandlerServices): JobHandler<'upload.commit'> {
  const services = { ...given, commits: shareCommitStatements(given.db) };
  return {
    run: (context) => commitOrGiveBack(services, context),
    abandon: async (tx, job) => {
      // The reaper removes the staged bytes, then gives the reservation back.
      await abortUpload(tx, job.payload.uploadId);
      await releaseClaims(tx, job.id);
      // A run that broke half-way may have made files visible that nobody settled; counting the tree mends that.
      if (job.folderId !== null)
        await services.jobs.enqueue(tx, {
          ...measureRequest(job.folderId, job.volume, null),
          trace: job.trace,
        });
    },
  };
}
