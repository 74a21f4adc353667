import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { VFolderClient } from '../../client/client.ts';
import { formatPlace } from '../address.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { makeDirectories, writingTo } from '../local-failure.ts';
import { downloadFile } from './download-file.ts';
import type { Journal } from './journal.ts';
import { noteFailure, runTasks, type TransferRun } from './outcome.ts';

/** A file to fetch. */
export interface RemoteFile {
  readonly folder: string;
  readonly path: string;
  readonly target: string;
  readonly sizeBytes: number;
  readonly mtimeMs: number | undefined;
}

/** What to fetch. */
export interface RemoteTree {
  readonly files: readonly RemoteFile[];
  readonly directories: readonly string[];
  /** What is neither file nor directory, or has a name that no local file may have. */
  readonly skipped: readonly string[];
}

/** How to fetch it. */
export interface DownloadJob {
  readonly client: VFolderClient;
  readonly run: TransferRun;
  readonly journal: Journal;
  readonly width: number;
}

/** Whether a path of the service names something below the destination and nowhere else. */
export function isSafePath(path: string): boolean {
  return path
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'));
}

function versionOf({ sizeBytes, mtimeMs }: RemoteFile): string {
  return `${sizeBytes}-${mtimeMs ?? ''}`;
}

async function fetchOne({ client, run, journal }: DownloadJob, file: RemoteFile): Promise<void> {
  const { target, mtimeMs } = file;
  const version = versionOf(file);
  let counted = 0;
  const count = (bytes: number): void => {
    counted += bytes;
    run.meter.state.doneBytes += bytes;
  };
  if (run.onConflict !== 'overwrite' && (await stat(target).catch(() => undefined)) !== undefined) {
    if (run.onConflict === 'fail') throw new CliError(exitCodes.conflict, `${target} is there already.`);
  } else {
    await downloadFile(client, {
      place: { folder: file.folder, path: file.path },
      target,
      mtimeMs,
      etag: journal.begunAt(target, version),
      signal: run.signal,
      onReceived: count,
      onResumed: (bytes) => {
        run.meter.state.earlierBytes += bytes;
        count(bytes);
      },
      onBegun: (etag) => journal.begun(target, version, etag),
    });
  }
  run.meter.state.doneFiles += 1;
  run.meter.state.doneBytes += file.sizeBytes - counted;
  await journal.done(target, version);
}

/** A file counts as fetched only while it is there as it was fetched. */
async function isFetched(journal: Journal, file: RemoteFile): Promise<boolean> {
  if (!journal.isDone(file.target, versionOf(file))) return false;
  const found = await stat(file.target).catch(() => undefined);
  return found?.size === file.sizeBytes;
}

/** Fetches a tree; what an earlier run fetched is left out. Failures are noted in the run. */
export async function downloadTree(job: DownloadJob, tree: RemoteTree): Promise<void> {
  const { run, journal } = job;
  const { state } = run.meter;
  state.totalFiles = tree.files.length;
  state.totalBytes = tree.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const directories = new Set([...tree.directories, ...tree.files.map(({ target }) => dirname(target))]);
  for (const directory of directories) await writingTo(directory, () => makeDirectories(directory));
  const left: RemoteFile[] = [];
  for (const file of tree.files) {
    if (await isFetched(journal, file)) {
      state.doneFiles += 1;
      state.doneBytes += file.sizeBytes;
      state.earlierBytes += file.sizeBytes;
    } else left.push(file);
  }
  const tasks = left.map((file) => async () => {
    try {
      await fetchOne(job, file);
    } catch (error) {
      noteFailure(run, formatPlace(file), error);
    }
  });
  await runTasks(run, tasks, job.width);
}

/** The local path of something below a destination. */
export function localTarget(destination: string, path: string): string {
  return path === '' ? destination : join(destination, ...path.split('/'));
}
