import type { ChildProcess } from 'node:child_process';
import os from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { type DatabaseClient, openDatabase } from '../db/client.ts';
import { parseId } from '../domain/ids.ts';
import { folderComponents } from '../storage/posix/layout.ts';
import { makeSmallFiles, makeWide } from './corpus.ts';
import { call, type Gun, openGun } from './http.ts';
import { type BenchRow, median, toRow } from './row.ts';
import { type BenchService, liftLimits, startProgram, startService, stopProgram } from './service.ts';
import type { SlowStorage } from './slow-storage.ts';
import type { BenchContext } from './suite.ts';

const workersMax = 4;
/** As `npm start` gives a worker of one volume. */
const threads = 32;
const jobMsMax = 300_000;

/** What is done with whole trees. */
type Kind = 'usage.measure' | 'archive.build' | 'folder.purge';

/** Each kind by itself, with its row, where a call takes so much longer. */
interface Case {
  readonly delayUs: number;
  readonly rows: Readonly<Partial<Record<Kind, string>>>;
}

// S1 does not say how slow. With 200 µs one worker already keeps a processor busy, with 2 ms four of them keep two, and a few
// processors cannot show more than what they have.
const cases: readonly Case[] = [
  {
    delayUs: 2_000,
    rows: { 'usage.measure': 'S1/usage', 'archive.build': 'S1/archive', 'folder.purge': 'S1/delete' },
  },
  { delayUs: 5_000, rows: { 'usage.measure': 'S1/usage', 'folder.purge': 'S1/delete' } },
  { delayUs: 200, rows: { 'folder.purge': 'D3/workers' } },
];

const words: Readonly<Record<Kind, string>> = {
  'usage.measure': 'measurements',
  'archive.build': 'zips',
  'folder.purge': 'purges',
};

/** Folders with the same tree each, and how many files they have in all. */
interface Folders {
  readonly names: readonly string[];
  readonly files: number;
}

/** A service without workers of its own: these are started here, on slow storage. */
interface Stage {
  readonly service: BenchService;
  readonly database: DatabaseClient;
  readonly gun: Gun;
  readonly isQuick: boolean;
  readonly workers: ChildProcess[];
  startWorker(delayUs: number): Promise<ChildProcess>;
  foldersMade: number;
}

const madeSchema = z.object({ id: z.string() });

async function makeFolders(
  stage: Stage,
  options: { readonly count: number; readonly files: number; readonly make: (data: string) => Promise<void> },
): Promise<Folders> {
  const { service, gun } = stage;
  const names: string[] = [];
  for (let index = 0; index < options.count; index += 1) {
    stage.foldersMade += 1;
    const name = `folder-${stage.foldersMade}`;
    const order = { method: 'POST', path: '/folders', json: { name } };
    const { id } = madeSchema.parse(await call(gun, service.authorization, order));
    const components = folderComponents(parseId(id) ?? '');
    await options.make(join(service.volumeRoot, 'f', ...components, 'data'));
    names.push(name);
  }
  return { names, files: options.count * options.files };
}

/** Asks for one job of each folder; the answers do not wait for them. */
async function ask({ service, gun }: Stage, kind: Kind, { names }: Folders): Promise<void> {
  const headers = { prefer: 'respond-async' };
  for (const name of names) {
    const path = `/folders/${name}`;
    if (kind === 'folder.purge') await call(gun, service.authorization, { method: 'DELETE', path });
    else if (kind === 'usage.measure') {
      await call(gun, service.authorization, { method: 'POST', path: `${path}/recalculate`, headers });
    } else {
      const order = { method: 'POST', path: `${path}/archives`, headers, json: { files: ['tree'] } };
      await call(gun, service.authorization, order);
    }
  }
}

const outcomeSchema = z.object({ open: z.number(), done: z.number(), seconds: z.number().nullable() });

/** Files in a second, from the first job asked for to the end of the last one. */
async function throughput(stage: Stage, kind: Kind, folders: Folders): Promise<number> {
  const { db } = stage.database;
  const [clock] = await db.execute<{ now: string }>(sql`SELECT now()::text AS now`);
  await ask(stage, kind, folders);
  const deadline = Date.now() + jobMsMax;
  while (Date.now() < deadline) {
    const [row] = await db.execute(sql`
      SELECT count(*) FILTER (WHERE state IN ('queued', 'running'))::int AS open,
        count(*) FILTER (WHERE state = 'succeeded')::int AS done,
        extract(epoch FROM max(finished_at) - min(created_at))::float8 AS seconds
      FROM jobs WHERE kind = ${kind} AND created_at >= ${clock?.now}::timestamptz`);
    const { open, done, seconds } = outcomeSchema.parse(row);
    if (open === 0 && seconds !== null) {
      if (done !== folders.names.length)
        throw new Error(`Of ${folders.names.length} jobs ${done} ended well.`);
      return folders.files / seconds;
    }
    await delay(50);
  }
  throw new Error(`The jobs ${kind} are not done in time.`);
}

/** Processors at work in all, on average while `work` runs. */
async function busyCores(
  work: () => Promise<number>,
): Promise<{ readonly rate: number; readonly cores: number }> {
  const busy = () =>
    os.cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);
  const [before, startedAt] = [busy(), performance.now()];
  const rate = await work();
  return { rate, cores: (busy() - before) / (performance.now() - startedAt) };
}

/** How each kind of job went, run by run. */
type Runs = Map<Kind, { readonly rate: number; readonly cores: number }[]>;

/** Folders that stay, and how big those are that go. */
interface Kept {
  readonly usage: Folders;
  readonly archive: Folders;
}

function sizesOf({ isQuick }: Stage) {
  return isQuick
    ? { count: 8, measured: 200, archived: 50, purged: 200 }
    : { count: 24, measured: 1_000, archived: 200, purged: 1_000 };
}

function makePurged(stage: Stage): Promise<Folders> {
  const { count, purged: files } = sizesOf(stage);
  return makeFolders(stage, { count, files, make: async (data) => makeWide(join(data, 'tree'), files) });
}

async function makeKept(stage: Stage): Promise<Kept> {
  const { count, measured, archived } = sizesOf(stage);
  const makeMeasured = async (data: string) => makeWide(join(data, 'tree'), measured);
  const makeArchived = (data: string) => makeSmallFiles(join(data, 'tree'), archived, 4096);
  return {
    usage: await makeFolders(stage, { count, files: measured, make: makeMeasured }),
    archive: await makeFolders(stage, { count, files: archived, make: makeArchived }),
  };
}

async function foldersFor(stage: Stage, kind: Kind, kept: Kept): Promise<Folders> {
  if (kind === 'folder.purge') return await makePurged(stage);
  return kind === 'usage.measure' ? kept.usage : kept.archive;
}

async function setWorkers(
  stage: Stage,
  { count, delayUs }: { readonly count: number; readonly delayUs: number },
  warmUp: Folders,
): Promise<void> {
  await Promise.all(stage.workers.splice(count).map(stopProgram));
  while (stage.workers.length < count) stage.workers.push(await stage.startWorker(delayUs));
  // Walkers start with the first big trees and learn how slow the storage is.
  await throughput(stage, 'usage.measure', warmUp);
}

function toRows({ delayUs, rows }: Case, runs: ReadonlyMap<number, Runs>): BenchRow[] {
  const middle = (count: number, kind: Kind) => {
    const all = runs.get(count)?.get(kind) ?? [];
    return { rate: median(all.map(({ rate }) => rate)), cores: median(all.map(({ cores }) => cores)) };
  };
  return kindsOf(rows).map(([kind, id]) => {
    const [one, all] = [middle(1, kind), middle(workersMax, kind)];
    const told = ({ rate, cores }: typeof one) =>
      `${rate.toFixed(0)} files/s (${cores.toFixed(1)} cores busy)`;
    const work = `${words[kind]} where a call takes ${delayUs} µs more, ${workersMax} workers against one`;
    const figure = { measured: all.rate / one.rate, unit: '×', note: `${told(all)}, ${told(one)}` };
    return toRow({ id, work, ...figure }, { atLeast: 3 });
  });
}

function kindsOf(rows: Case['rows']): (readonly [Kind, string])[] {
  const kinds: readonly Kind[] = ['usage.measure', 'archive.build', 'folder.purge'];
  return kinds.flatMap((kind) => {
    const id = rows[kind];
    return id === undefined ? [] : [[kind, id] as const];
  });
}

async function measureCase(stage: Stage, given: Case, kept: Kept): Promise<BenchRow[]> {
  const { delayUs, rows } = given;
  const runs = new Map<number, Runs>([1, workersMax].map((count) => [count, new Map()]));
  for (let round = 0; round < (stage.isQuick ? 1 : 2); round += 1) {
    for (const [count, ofCount] of runs) {
      await setWorkers(stage, { count, delayUs }, kept.usage);
      for (const [kind] of kindsOf(rows)) {
        const folders = await foldersFor(stage, kind, kept);
        const run = await busyCores(() => throughput(stage, kind, folders));
        ofCount.set(kind, [...(ofCount.get(kind) ?? []), run]);
      }
    }
  }
  await Promise.all(stage.workers.splice(0).map(stopProgram));
  return toRows(given, runs);
}

/** What three more workers bring on slow storage, jobs of many folders waiting: goals S1 and D3. */
export async function* measureSlowWorkers(
  storage: SlowStorage,
  { workDir, isQuick }: BenchContext,
): AsyncIterable<BenchRow> {
  const dataDir = join(workDir, 'data');
  const service = await startService({ dataDir, env: { VFOLDER_WORKERS: '0' } });
  const { databaseUrl } = service;
  const database = openDatabase({ url: databaseUrl, connectionsMax: 1, applicationName: 'bench' });
  const gun = openGun(service.port, 1);
  const settings = {
    DATABASE_URL: databaseUrl,
    VFOLDER_DATA_DIR: dataDir,
    UV_THREADPOOL_SIZE: String(threads),
  };
  const startWorker = async (delayUs: number) => {
    const env = { ...settings, ...storage.env({ delayUs }) };
    return (await startProgram({ program: 'worker/main.js', env, ready: /worker\.ready/ })).child;
  };
  const stage: Stage = { service, database, gun, isQuick, workers: [], startWorker, foldersMade: 0 };
  try {
    await liftLimits(databaseUrl);
    const kept = await makeKept(stage);
    for (const given of cases) yield* await measureCase(stage, given, kept);
  } finally {
    await Promise.all(stage.workers.map(stopProgram));
    gun.close();
    await database.close(1);
    await service.stop();
  }
}
