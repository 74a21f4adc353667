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
const kinds = ['usage.measure', 'archive.build', 'folder.purge'] as const;
type Kind = (typeof kinds)[number];

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
  readonly startWorker: () => Promise<ChildProcess>;
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

type Outcome = Record<Kind, { readonly rate: number; readonly cores: number }[]>;

async function runKinds(
  stage: Stage,
  kept: Readonly<Record<'usage' | 'archive', Folders>>,
  outcome: Outcome,
) {
  const note = async (kind: Kind, folders: Folders) =>
    outcome[kind].push(await busyCores(() => throughput(stage, kind, folders)));
  await note('usage.measure', kept.usage);
  await note('archive.build', kept.archive);
  await note('folder.purge', await makePurged(stage));
}

const treeFiles = { purged: 2_000, measured: 2_000, archived: 400 };

function makePurged(stage: Stage): Promise<Folders> {
  const files = stage.isQuick ? 200 : treeFiles.purged;
  const make = async (data: string) => makeWide(join(data, 'tree'), files);
  return makeFolders(stage, { count: stage.isQuick ? 8 : 24, files, make });
}

async function makeKept(stage: Stage) {
  const count = stage.isQuick ? 8 : 24;
  const measured = stage.isQuick ? 200 : treeFiles.measured;
  const archived = stage.isQuick ? 50 : treeFiles.archived;
  const makeMeasured = async (data: string) => makeWide(join(data, 'tree'), measured);
  const makeArchived = (data: string) => makeSmallFiles(join(data, 'tree'), archived, 4096);
  return {
    usage: await makeFolders(stage, { count, files: measured, make: makeMeasured }),
    archive: await makeFolders(stage, { count, files: archived, make: makeArchived }),
  };
}

async function setWorkers(stage: Stage, count: number, warmUp: Folders): Promise<void> {
  const surplus = stage.workers.splice(count);
  await Promise.all(surplus.map(stopProgram));
  while (stage.workers.length < count) stage.workers.push(await stage.startWorker());
  // Walkers start with the first big trees and learn how slow the storage is.
  await throughput(stage, 'usage.measure', warmUp);
}

function toRows(outcomes: ReadonlyMap<number, Outcome>, label: string): BenchRow[] {
  const middle = (count: number, kind: Kind) => {
    const runs = outcomes.get(count)?.[kind] ?? [];
    return { rate: median(runs.map(({ rate }) => rate)), cores: median(runs.map(({ cores }) => cores)) };
  };
  return kinds.map((kind) => {
    const [one, all] = [middle(1, kind), middle(workersMax, kind)];
    const told = ({ rate, cores }: typeof one) =>
      `${rate.toFixed(0)} files/s (${cores.toFixed(1)} cores busy)`;
    const figure = { measured: all.rate / one.rate, unit: '×', note: `${told(all)}, ${told(one)}` };
    const work = `${words[kind]} by ${workersMax} workers ${label}, files a second against one worker`;
    return toRow({ id: `S1/${words[kind]}`, work, ...figure }, { atLeast: 3 });
  });
}

async function measureStage(stage: Stage, label: string): Promise<BenchRow[]> {
  const kept = await makeKept(stage);
  const outcomes = new Map<number, Outcome>();
  for (const count of [1, workersMax]) {
    outcomes.set(count, { 'usage.measure': [], 'archive.build': [], 'folder.purge': [] });
  }
  for (let round = 0; round < (stage.isQuick ? 1 : 2); round += 1) {
    for (const [count, outcome] of outcomes) {
      await setWorkers(stage, count, kept.usage);
      await runKinds(stage, kept, outcome);
    }
  }
  return toRows(outcomes, label);
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
  const delayUs = Number(process.env.BENCH_US ?? 200);
  const env = {
    DATABASE_URL: databaseUrl,
    VFOLDER_DATA_DIR: dataDir,
    UV_THREADPOOL_SIZE: String(threads),
    ...storage.env({ delayUs }),
  };
  const startWorker = async () =>
    (await startProgram({ program: 'worker/main.js', env, ready: /worker\.ready/ })).child;
  const stage: Stage = { service, database, gun, isQuick, workers: [], startWorker, foldersMade: 0 };
  try {
    await liftLimits(databaseUrl);
    yield* await measureStage(stage, `where a call takes ${delayUs} µs more`);
  } finally {
    await Promise.all(stage.workers.map(stopProgram));
    gun.close();
    await database.close(1);
    await service.stop();
  }
}
