import { randomUUID } from 'node:crypto';
import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type postgres from 'postgres';
import { expect } from 'vitest';
import { openSql } from '../../support/clone-database.ts';
import { eventually } from '../../support/eventually.ts';
import { type Client, createClient } from '../support/http-client.ts';
import { awaitJob, jobIdIn } from '../support/jobs.ts';
import {
  type ApiProcess,
  type Ground,
  layGround,
  prepareGround,
  startApi,
  startWorker,
} from '../support/service.ts';
import { folderDir } from '../support/tree-usage.ts';
import { metadataOf, patch, tus } from '../support/tus.ts';
import { createFolder, createUser, type TestFolder, type UserMaker, upload } from '../support/users.ts';
import { runAdmin } from './restored.ts';

/** A finding as `vfolder admin fsck --json` tells it. */
export interface ToldFinding {
  readonly code: string;
  readonly level: string;
  readonly volume: string;
  readonly folder: string | null;
  readonly path: string | null;
  readonly detail: string;
  readonly fix: string | null;
  readonly outcome: string;
}

/** What a run came to. */
export interface FsckRun {
  readonly code: number | null;
  readonly findings: readonly ToldFinding[];
  readonly summary: Readonly<Record<string, number>>;
  readonly stderr: string;
}

/** A folder with its directory and its id as rows have it. */
export interface StagedFolder extends TestFolder {
  readonly dashed: string;
  readonly dir: string;
}

/** An installation whose API runs, and whose workers only run when asked for. */
export interface FsckStage {
  readonly ground: Ground;
  readonly owner: Client;
  /** A new folder of the owner with these files. A worker has to run for files. */
  folder(files?: Readonly<Record<string, string>>): Promise<StagedFolder>;
  /** Runs `work` while a worker runs. */
  withWorker<T>(work: () => Promise<T>): Promise<T>;
  /** Builds an archive of a folder. A worker has to run. @returns its id */
  archive(folder: StagedFolder): Promise<string>;
  sql(statement: string): Promise<postgres.Row[]>;
  fsck(...args: readonly string[]): Promise<FsckRun>;
  stop(): Promise<void>;
}

const dashes = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/;

/** An id as rows and names on disk have it. */
export function dashedId(hex: string): string {
  return hex.replace(dashes, '$1-$2-$3-$4-$5');
}

/** Makes something so old that a sweep may touch it. */
export async function age(path: string): Promise<void> {
  await utimes(path, new Date(0), new Date(0));
}

/** An id that nobody has, in the order of those that are made now. */
export function strangeId(): string {
  return randomUUID();
}

function isFinding(value: unknown): value is ToldFinding {
  return typeof value === 'object' && value !== null && 'code' in value && 'outcome' in value;
}

/** Runs `vfolder admin fsck --json` with the environment of an installation. */
export async function runFsck(
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<FsckRun> {
  const { code, stdout, stderr } = await runAdmin(env, 'fsck', '--json', ...args);
  if (stdout === '') throw new Error(`fsck says nothing and ends with ${code}: ${stderr}`);
  const said: unknown = JSON.parse(stdout);
  const findings: unknown = Reflect.get(Object(said), 'findings');
  return {
    code,
    findings: Array.isArray(findings) ? findings.filter(isFinding) : [],
    summary: Object(Reflect.get(Object(said), 'summary')),
    stderr,
  };
}

/** Starts one. */
export async function makeFsckStage(env: Readonly<Record<string, string>> = {}): Promise<FsckStage> {
  const ground = await layGround({ backend: 'postgres', env });
  await prepareGround(ground);
  const api: ApiProcess = await startApi(ground);
  const clients: Client[] = [];
  const client: UserMaker['client'] = (keypair) => {
    const made = createClient(api.url, keypair);
    clients.push(made);
    return made;
  };
  const { client: owner } = await createUser({ administrator: client(ground.admin), client });
  return {
    ground,
    owner,
    folder: async (files) => {
      const folder = await createFolder(owner);
      if (files !== undefined) await upload(owner, folder, files);
      return { ...folder, dashed: dashedId(folder.id), dir: folderDir(ground.volumeRoot, folder.id) };
    },
    withWorker: async (work) => {
      const worker = await startWorker(ground);
      try {
        return await work();
      } finally {
        await worker.stop();
      }
    },
    archive: async (folder) => {
      const answer = await owner.call('POST', folder.path('archives'), {
        json: { files: ['.'], format: 'zip' },
      });
      const id = jobIdIn(answer.headers);
      await eventually(() => awaitJob(owner, id));
      return id;
    },
    sql: async (statement) => {
      const sql = openSql(ground.databaseUrl);
      try {
        return [...(await sql.unsafe(statement))];
      } finally {
        await sql.end({ timeout: 5 });
      }
    },
    fsck: (...args) => runFsck(ground.env, ...args),
    stop: async () => {
      for (const made of clients) made.close();
      await api.process.stop();
      await ground.remove();
    },
  };
}

/** Sends half of a resumable upload. @returns where its bytes are staged */
export async function sendPart(stage: FsckStage, folder: StagedFolder): Promise<string> {
  const made = await tus(stage.owner, 'POST', '/uploads', {
    headers: { 'Upload-Length': '20', 'Upload-Metadata': metadataOf({ folder: folder.name, path: 'big' }) },
  });
  const location = new URL(made.headers.location ?? '', 'http://service');
  await patch(stage.owner, location.pathname, 0, Buffer.from('0123456789'));
  const [name = ''] = await readdir(join(folder.dir, 'stage'));
  return join(folder.dir, 'stage', name);
}

/** Where a folder of this id lies. */
export function placeOf(ground: Ground, id: string): string {
  return join(ground.volumeRoot, 'f', id.slice(-4, -2), id.slice(-2), id);
}

/** Expects columns of a folder's row, as text. */
export async function expectRow(
  { sql }: Pick<FsckStage, 'sql'>,
  folder: StagedFolder,
  row: Readonly<Record<string, string>>,
): Promise<void> {
  const columns = Object.keys(row).join(', ');
  expect(await sql(`SELECT ${columns} FROM folders WHERE id = '${folder.dashed}'`)).toEqual([row]);
}
