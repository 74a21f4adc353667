import type { VFolderClient } from '../../client/client.ts';
import type { Place } from '../../client/files.ts';
import { noRetries } from '../../client/retry.ts';
import type { UploadSource } from '../../client/uploads.ts';
import { formatPlace, joinPath } from '../address.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { printable } from '../terminal.ts';
import type { Journal } from './journal.ts';
import { noteFailure, runTasks, type TransferRun } from './outcome.ts';
import type { PlannedEntry } from './plan-tree.ts';

/** Files up to this size are replaced by one request; larger ones in resumable chunks. */
const wholeBytesMax = 16 * 1024 ** 2;
const cancelMs = 3_000;

/** With what to copy, and which directories to make before. */
export interface BetweenJob {
  readonly client: VFolderClient;
  readonly run: TransferRun;
  readonly journal: Journal;
  readonly directories: readonly Place[];
  readonly width: number;
  /** Says which jobs are at it, besides what failed. */
  readonly isTellingJobs: boolean;
}

/** What the target lacks, which the service copies with everything below it, or a file to be replaced, which is sent. */
export interface BetweenStep {
  readonly source: Place;
  readonly target: Place;
  readonly isNew: boolean;
  readonly bytes: number;
  readonly files: number;
}

/** Gathers what is new below a new directory into one step. */
export function stepsOf(
  entries: readonly PlannedEntry[],
  { from, to }: { readonly from: Place; readonly to: Place },
): BetweenStep[] {
  const steps: { top: string | undefined; path: string; isNew: boolean; bytes: number; files: number }[] = [];
  for (const { entry, isNew } of entries) {
    const isFile = entry.kind === 'file';
    const amount = { bytes: isFile ? entry.sizeBytes : 0, files: isFile ? 1 : 0 };
    const last = steps.at(-1);
    if (last?.top !== undefined && entry.path.startsWith(`${last.top}/`)) {
      last.bytes += amount.bytes;
      last.files += amount.files;
    } else steps.push({ top: isFile ? undefined : entry.path, path: entry.path, isNew, ...amount });
  }
  return steps.map(({ path, isNew, bytes, files }) => ({
    source: { folder: from.folder, path: joinPath(from.path, path) },
    target: { folder: to.folder, path: joinPath(to.path, path) },
    isNew,
    bytes,
    files,
  }));
}

/** Ends a job that nobody waits for any more; the same command would begin it anew. */
async function cancel({ client }: BetweenJob, jobId: string): Promise<void> {
  const options = { signal: AbortSignal.timeout(cancelMs), retries: noRetries, accepts: [404, 409] };
  const answer = await client.http.send('DELETE', `/jobs/${jobId}`, options).catch(() => undefined);
  answer?.discard();
}

async function copyTree(job: BetweenJob, step: BetweenStep, count: (bytes: number) => void): Promise<void> {
  const { client, run } = job;
  const { source, target } = step;
  const from = { folder: source.folder, waitSeconds: 1 };
  const work = await client.files.copy(target.folder, source.path, target.path, from);
  if (work.jobId !== undefined && job.isTellingJobs)
    run.meter.note(`${printable(formatPlace(source))}: job ${work.jobId}`);
  let seen = 0;
  try {
    const { path } = await work.finish({
      signal: run.signal,
      onLook: ({ progress }) => {
        const bytes = Math.min(progress?.bytes ?? 0, step.bytes);
        count(bytes - seen);
        seen = bytes;
      },
    });
    if (path === target.path) return;
    // A directory came to be there meanwhile, and took the copy in.
    throw new CliError(exitCodes.conflict, `was copied to ${formatPlace({ ...target, path })}.`);
  } catch (error) {
    if (run.signal.aborted && work.jobId !== undefined) await cancel(job, work.jobId);
    throw error;
  }
}

/** A file in a folder as something to be sent: every piece is of the same content, or refused. */
function remoteSource(
  client: VFolderClient,
  place: Place,
  {
    sizeBytes,
    etag,
    signal,
  }: { readonly sizeBytes: number; readonly etag: string; readonly signal: AbortSignal },
): UploadSource {
  return {
    sizeBytes,
    read: (start, length) => client.files.readRange(place, { start, length, etag, signal }),
  };
}

async function replaceFile(
  job: BetweenJob,
  step: BetweenStep,
  count: (bytes: number) => void,
): Promise<void> {
  const { client, run, journal } = job;
  const { source, target } = step;
  const { signal } = run;
  const found = await client.files.stat(source);
  if (found?.etag === undefined || found.size === undefined)
    throw new CliError(exitCodes.notFound, `${formatPlace(source)} is no longer a file.`);
  const { etag, size: sizeBytes } = found;
  const content = remoteSource(client, source, { sizeBytes, etag, signal });
  if (sizeBytes <= wholeBytesMax) {
    const bytes = sizeBytes === 0 ? Buffer.alloc(0) : await content.read(0, sizeBytes);
    return client.uploads.sendWhole(target, bytes, { signal, onSent: count });
  }
  await client.uploads.sendResumable(target, content, {
    signal,
    resumeUrl: journal.begunAt(formatPlace(target), etag),
    onCreated: (url) => journal.begun(formatPlace(target), etag, url),
    onResumed: (bytes) => {
      run.meter.state.earlierBytes += bytes;
      count(bytes);
    },
    onSent: count,
  });
}

/** Brings what is planned from one folder to another. Failures are noted in the run. */
export async function copyBetween(job: BetweenJob, steps: readonly BetweenStep[]): Promise<void> {
  const { run, client } = job;
  const { state } = run.meter;
  state.totalFiles = steps.reduce((sum, { files }) => sum + files, 0);
  state.totalBytes = steps.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { folder, path } of job.directories) {
    if (path !== '') await client.files.makeDirectories(folder, [path], { parents: true, existOk: true });
  }
  const tasks = steps.map((step) => async () => {
    let counted = 0;
    const count = (bytes: number): void => {
      counted += bytes;
      state.doneBytes += bytes;
    };
    try {
      await (step.isNew ? copyTree(job, step, count) : replaceFile(job, step, count));
      state.doneFiles += step.files;
      state.doneBytes += step.bytes - counted;
    } catch (error) {
      noteFailure(run, formatPlace(step.source), error);
    }
  });
  await runTasks(run, tasks, job.width);
}
