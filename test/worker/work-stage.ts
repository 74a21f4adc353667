import { join } from 'node:path';
import { uuidv7 } from 'uuidv7';
import { reserveUpload, type StagedFile, stageUploads } from '../../db/queries/uploads.ts';
import { type FolderUsage, findFolderUsage } from '../../db/queries/usage.ts';
import { type EntryPath, parseEntryPath } from '../../domain/entry-path.ts';
import { stageIdOf } from '../../domain/upload-session.ts';
import type { JobHandlers } from '../../jobs/handler.ts';
import type { OpenJobClient } from '../../jobs/open-job-client.ts';
import { openPosixVolume, type PosixVolume } from '../../storage/posix/posix-volume.ts';
import type { Volume } from '../../storage/volume.ts';
import { makeHandlers } from '../../worker/handlers.ts';
import { makeStage, type Stage } from '../jobs/job-stage.ts';
import { testHandPool } from '../storage/test-volume.ts';
import type { Backend } from '../support/backends.ts';
import { insertTestFolder, insertTestUser } from '../support/factories.ts';
import { createTempDir } from '../support/temp-dir.ts';

/** A file to upload: path and content. */
export type Content = Readonly<Record<string, string>>;

/** The same where paths may come twice. */
export type Parts = readonly (readonly [path: string, content: string])[];

/** A folder on a real volume, and the real handlers to work on it. */
export interface WorkStage {
  readonly jobs: Stage;
  readonly client: OpenJobClient;
  readonly volume: PosixVolume;
  readonly ownerId: string;
  readonly folderId: string;
  /** Where the folder's `data`, `stage` and `trash` lie. */
  readonly folderRoot: string;
  /** Starts a consumer with the real handlers, on `volume` unless another is given. */
  start(volume?: Volume): Promise<void>;
  handlers(volume?: Volume): JobHandlers;
  /** Stages files as the API does, and enqueues their commit. @returns ids of upload and job */
  stageUpload(files: Content | Parts, actorId?: string): Promise<{ uploadId: string; jobId: string }>;
  /** Enqueues the commit's dispatch. */
  dispatch(jobId: string): void;
  usage(): Promise<FolderUsage>;
  read(path: string): Promise<string | null>;
  close(): Promise<void>;
}

function isParts(files: Content | Parts): files is Parts {
  return Array.isArray(files);
}

export function entryPath(path: string): EntryPath {
  return parseEntryPath(path, 'write');
}

async function writeStaged(
  volume: Volume,
  folderId: string,
  uploadId: string,
  parts: Parts,
): Promise<StagedFile[]> {
  const staged: StagedFile[] = [];
  for (const [ordinal, [path, content]] of parts.entries()) {
    const writer = await volume.createStage(folderId, stageIdOf(uploadId, ordinal));
    await writer.write(Buffer.from(content));
    staged.push({ ordinal, path, ...(await writer.finish()) });
  }
  return staged;
}

/** Makes a user, a folder and its directories on a volume of its own, in `root` if given. Close it after the test. */
export async function makeWorkStage(
  backend: Backend,
  options: { readonly quotaBytes?: number; readonly quotaFiles?: number; readonly root?: string } = {},
): Promise<WorkStage> {
  const { db } = backend.database;
  const { root, ...quota } = options;
  const dir = root === undefined ? await createTempDir() : { path: root, remove: async () => undefined };
  const volume = await openPosixVolume({ name: 'local', root: dir.path, handPool: testHandPool });
  const jobs = makeStage(backend);
  const client = await jobs.openClient();
  const ownerId = await insertTestUser(db);
  const { id: folderId } = await insertTestFolder(db, { ownerId, ...quota });
  await volume.createFolder(folderId);
  const handlers = (given: Volume = volume) =>
    makeHandlers({ db, volumes: new Map([['local', given]]), jobs: client, logger: jobs.log });
  return {
    jobs,
    client,
    volume,
    ownerId,
    folderId,
    folderRoot: join(dir.path, 'f', folderId.slice(-4, -2), folderId.slice(-2), folderId),
    handlers,
    start: async (given) => {
      await jobs.openConsumer(client, handlers(given));
    },
    stageUpload: async (files, actorId = ownerId) => {
      const parts = isParts(files) ? files : Object.entries(files);
      const uploadId = uuidv7();
      const jobId = uuidv7();
      const bytes = parts.reduce((sum, [, text]) => sum + Buffer.byteLength(text), 0);
      const amount = { bytes, files: parts.length };
      if (!(await reserveUpload(db, { id: uploadId, folderId, actorId, amount }))) {
        throw new Error('The upload does not fit.');
      }
      const staged = await writeStaged(volume, folderId, uploadId, parts);
      await db.transaction(async (tx) => {
        const payload = { uploadId };
        await client.enqueue(tx, {
          id: jobId,
          kind: 'upload.commit',
          payload,
          volume: 'local',
          folderId,
          actorId,
        });
        await stageUploads(tx, [{ id: uploadId, jobId, files: staged }]);
      });
      return { uploadId, jobId };
    },
    dispatch: (jobId) => client.dispatch([jobId]),
    usage: async () => {
      const usage = await findFolderUsage(db, folderId);
      if (usage === null) throw new Error('The folder has a row.');
      return usage;
    },
    read: async (path) => {
      if ((await volume.stat(folderId, entryPath(path))) === null) return null;
      const file = await volume.open(folderId, entryPath(path));
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of file.stream()) chunks.push(chunk);
        return Buffer.concat(chunks).toString();
      } finally {
        await file.close();
      }
    },
    close: async () => {
      await jobs.close();
      await volume.close();
      await dir.remove();
    },
  };
}

/** The counters that matter for accounting. */
export async function countersOf(stage: WorkStage) {
  const usage = await stage.usage();
  return {
    used: [usage.usedBytes, usage.usedFiles],
    reserved: [usage.reservedBytes, usage.reservedFiles],
    trash: [usage.trashBytes, usage.trashFiles],
  };
}
