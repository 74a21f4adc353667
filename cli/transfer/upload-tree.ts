import { open, readFile } from 'node:fs/promises';
import type { VFolderClient } from '../../client/client.ts';
import { isProblem, ProblemError } from '../../client/errors.ts';
import type { Place } from '../../client/files.ts';
import { formatPlace, joinPath } from '../address.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { fileSource } from './file-source.ts';
import type { Journal } from './journal.ts';
import { noteFailure, runTasks, type TransferRun } from './outcome.ts';
import type { LocalFile, LocalTree } from './walk-local.ts';

/** Files up to this size go together, many in one request. */
const smallBytesMax = 1024 ** 2;
const batchBytesMax = 8 * 1024 ** 2;
const batchFilesMax = 100;
/** Files up to this size go in one request of their own; larger ones in resumable chunks. */
const wholeBytesMax = 16 * 1024 ** 2;

/** Where to bring a tree, and with what. */
export interface UploadJob {
  readonly client: VFolderClient;
  readonly run: TransferRun;
  readonly journal: Journal;
  readonly folder: string;
  /** Directory that paths of the tree are below; empty for the root. */
  readonly base: string;
  readonly width: number;
}

function versionOf({ sizeBytes, mtimeMs, source }: LocalFile): string {
  return `${sizeBytes}-${mtimeMs}-${source}`;
}

function placeOf({ folder, base }: UploadJob, file: LocalFile): Place {
  return { folder, path: joinPath(base, file.path) };
}

async function finished(job: UploadJob, file: LocalFile, countedBytes: number): Promise<void> {
  job.run.meter.state.doneFiles += 1;
  job.run.meter.state.doneBytes += file.sizeBytes - countedBytes;
  await job.journal.done(file.path, versionOf(file));
}

/** A file that is there, where it must not be replaced. @returns whether it is to be left out @throws CliError */
function leaveOut({ run }: UploadJob, place: Place): true {
  if (run.onConflict === 'skip') return true;
  throw new CliError(exitCodes.conflict, `${formatPlace(place)} is there already.`);
}

async function sendWhole(job: UploadJob, file: LocalFile): Promise<void> {
  const { client, run } = job;
  const place = placeOf(job, file);
  const bytes = await readFile(file.source, { signal: run.signal });
  let counted = 0;
  const onSent = (sent: number) => {
    counted += sent;
    run.meter.state.doneBytes += sent;
  };
  const isNew = run.onConflict !== 'overwrite';
  try {
    await client.uploads.sendWhole(place, bytes, { signal: run.signal, onSent, isNew });
  } catch (error) {
    if (!isProblem(error, 'precondition_failed') || !isNew) throw error;
    leaveOut(job, place);
    run.meter.state.earlierBytes += file.sizeBytes - counted;
  }
  await finished(job, file, counted);
}

async function sendLarge(job: UploadJob, file: LocalFile): Promise<void> {
  const { client, run, journal } = job;
  const place = placeOf(job, file);
  // A resumable upload replaces what is there, so it is looked at first.
  const isThere = run.onConflict !== 'overwrite' && (await client.files.stat(place)) !== undefined;
  if (isThere && leaveOut(job, place)) {
    run.meter.state.earlierBytes += file.sizeBytes;
    return finished(job, file, 0);
  }
  const handle = await open(file.source, 'r');
  let counted = 0;
  const count = (bytes: number) => {
    counted += bytes;
    run.meter.state.doneBytes += bytes;
  };
  try {
    await client.uploads.sendResumable(place, fileSource(handle, file.sizeBytes), {
      signal: run.signal,
      resumeUrl: journal.begunAt(file.path, versionOf(file)),
      onCreated: (url) => journal.begun(file.path, versionOf(file), url),
      onResumed: (bytes) => {
        run.meter.state.earlierBytes += bytes;
        count(bytes);
      },
      onSent: count,
    });
  } finally {
    await handle.close();
  }
  await finished(job, file, counted);
}

async function sendOne(job: UploadJob, file: LocalFile): Promise<void> {
  try {
    if (file.sizeBytes <= wholeBytesMax) await sendWhole(job, file);
    else await sendLarge(job, file);
  } catch (error) {
    noteFailure(job.run, file.source, error);
  }
}

interface ReadFile {
  readonly file: LocalFile;
  readonly path: string;
  readonly bytes: Uint8Array;
}

async function readFiles(job: UploadJob, files: readonly LocalFile[]): Promise<ReadFile[]> {
  const found: ReadFile[] = [];
  for (const file of files) {
    try {
      found.push({ file, path: placeOf(job, file).path, bytes: await readFile(file.source) });
    } catch (error) {
      noteFailure(job.run, file.source, error);
    }
  }
  return found;
}

/** Sends small files together. When the service refuses them, each goes alone, which shows whose fault it was. */
async function sendTogether(job: UploadJob, files: readonly LocalFile[]): Promise<void> {
  const { client, run, folder } = job;
  const found = await readFiles(job, files);
  if (found.length === 0) return;
  try {
    await client.uploads.sendBatch(folder, found, { signal: run.signal });
    for (const { file } of found) await finished(job, file, 0);
  } catch (error) {
    if (error instanceof ProblemError) await sendEach(job, found);
    else for (const { file } of found) noteFailure(run, file.source, error);
  }
}

async function sendEach(job: UploadJob, files: readonly ReadFile[]): Promise<void> {
  for (const { file } of files) if (job.run.fatal === undefined) await sendOne(job, file);
}

function batchesOf(files: readonly LocalFile[]): LocalFile[][] {
  const batches: LocalFile[][] = [];
  let bytes = 0;
  for (const file of files) {
    const last = batches.at(-1);
    if (last === undefined || last.length >= batchFilesMax || bytes + file.sizeBytes > batchBytesMax) {
      batches.push([file]);
      bytes = file.sizeBytes;
    } else {
      last.push(file);
      bytes += file.sizeBytes;
    }
  }
  return batches;
}

/** Brings a tree into a folder; what an earlier run brought is left out. Failures are noted in the run. */
export async function uploadTree(job: UploadJob, tree: LocalTree): Promise<void> {
  const { run, journal, client, folder, base } = job;
  const { state } = run.meter;
  state.totalFiles = tree.files.length;
  state.totalBytes = tree.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const left = tree.files.filter((file) => !journal.isDone(file.path, versionOf(file)));
  state.doneFiles = tree.files.length - left.length;
  state.doneBytes = state.totalBytes - left.reduce((sum, file) => sum + file.sizeBytes, 0);
  state.earlierBytes = state.doneBytes;
  const directories = tree.emptyDirectories.map((path) => joinPath(base, path));
  if (directories.length > 0) {
    await client.files.makeDirectories(folder, directories, { parents: true, existOk: true });
  }
  const isTogether = (file: LocalFile): boolean =>
    file.sizeBytes <= smallBytesMax && run.onConflict === 'overwrite';
  const large = left.filter((file) => !isTogether(file)).toSorted((a, b) => b.sizeBytes - a.sizeBytes);
  await runTasks(
    run,
    [
      ...large.map((file) => () => sendOne(job, file)),
      ...batchesOf(left.filter(isTogether)).map((batch) => () => sendTogether(job, batch)),
    ],
    job.width,
  );
}
