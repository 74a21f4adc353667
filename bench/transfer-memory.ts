import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, ftruncateSync, openSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { call, openGun } from './http.ts';
import { measureGrowth, watchPeak } from './resident.ts';
import { type BenchRow, toRow } from './row.ts';
import { type BenchService, distPath, liftLimits, startService } from './service.ts';
import { receiveStream } from './stream.ts';
import type { BenchContext } from './suite.ts';
import { postMultipart, postTus, putFile } from './uploads.ts';

const mib = 1024 * 1024;
/** What a transfer of any size may add to what a process had before. */
const growthMiBMax = 64;

type Transfer = (service: BenchService, sizeBytes: number) => Promise<unknown>;

async function readBack(service: BenchService, sizeBytes: number): Promise<void> {
  const got = await receiveStream({
    port: service.port,
    path: '/folders/bench/files/put.bin',
    headers: { authorization: service.authorization },
  });
  if (got.sizeBytes !== sizeBytes) throw new Error(`The answer has ${got.sizeBytes} bytes.`);
}

/** What is transferred how; in an order that has something to read for the last one. */
const transfers: readonly { readonly id: string; readonly work: string; readonly run: Transfer }[] = [
  { id: 'T1/growth', work: 'PUT', run: (service, sizeBytes) => putFile({ service, sizeBytes }) },
  {
    id: 'T2/multipart/growth',
    work: 'multipart upload',
    run: (service, sizeBytes) => postMultipart({ service, sizeBytes }),
  },
  {
    id: 'T2/tus/growth',
    work: 'tus upload in parts of 64 MiB',
    run: (service, sizeBytes) => postTus({ service, sizeBytes }),
  },
  { id: 'T5/growth', work: 'GET', run: readBack },
];

/** Each transfer has processes that have done nothing yet, which is where growth shows most. */
async function withService<T>(dataDir: string, use: (service: BenchService) => Promise<T>): Promise<T> {
  const service = await startService({ dataDir });
  try {
    return await use(service);
  } finally {
    await service.stop();
  }
}

async function makeFolder(service: BenchService): Promise<void> {
  await liftLimits(service.databaseUrl);
  const gun = openGun(service.port, 1);
  await call(gun, service.authorization, { method: 'POST', path: '/folders', json: { name: 'bench' } });
  gun.close();
}

async function growthRow(
  service: BenchService,
  { id, work, run }: (typeof transfers)[number],
  sizeBytes: number,
): Promise<BenchRow> {
  const names = ['API', ...service.workerPids().map(() => 'worker')];
  const grown = await measureGrowth([service.apiPid(), ...service.workerPids()], () =>
    run(service, sizeBytes),
  );
  const growths = grown.map(({ beforeMiB, peakMiB }) => peakMiB - beforeMiB);
  const note = grown
    .map(
      ({ beforeMiB, peakMiB }, at) =>
        `${names[at]} from ${beforeMiB.toFixed(0)} to ${peakMiB.toFixed(0)} MiB`,
    )
    .join(', ');
  return toRow(
    {
      id,
      work: `${work} of ${sizeBytes / mib} MiB, memory added to API or worker, the larger`,
      measured: Math.max(...growths),
      unit: 'MiB',
      note,
    },
    { atMost: growthMiBMax },
  );
}

/** Runs the command line program. @returns the most memory that it had resident, in MiB */
async function peakOfProgram(
  { service, stateDir }: { readonly service: BenchService; readonly stateDir: string },
  args: readonly string[],
): Promise<number> {
  const child = spawn(process.execPath, [distPath('cli/main.js'), '-q', ...args], {
    env: {
      PATH: process.env.PATH,
      HOME: stateDir,
      VFOLDER_URL: `http://127.0.0.1:${service.port}`,
      VFOLDER_ACCESS_KEY: service.accessKey,
      VFOLDER_SECRET_KEY: service.secretKey,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const ended = once(child, 'exit');
  const peakMiB = await watchPeak(child.pid ?? 0, ended);
  const [code] = await ended;
  if (code !== 0) throw new Error(`vfolder ${args.join(' ')} ends with ${code}.`);
  return peakMiB;
}

/** A file of zeros that takes no room. */
function makeSparse(path: string, sizeBytes: number): void {
  const file = openSync(path, 'w');
  ftruncateSync(file, sizeBytes);
  closeSync(file);
}

/** What the command line program needs for a large file beyond what it needs for a small one. */
async function* measureProgram(
  service: BenchService,
  { workDir, sizeBytes }: { readonly workDir: string; readonly sizeBytes: number },
): AsyncIterable<BenchRow> {
  const local = join(workDir, 'local.bin');
  const commands = [
    { verb: 'put', args: [local, 'bench:cli.bin'] },
    { verb: 'get', args: ['bench:cli.bin', local] },
  ];
  const peaks = new Map<string, number[]>();
  for (const size of [mib, sizeBytes]) {
    makeSparse(local, size);
    for (const { verb, args } of commands) {
      peaks.set(verb, [
        ...(peaks.get(verb) ?? []),
        await peakOfProgram({ service, stateDir: workDir }, [verb, ...args]),
      ]);
    }
    if (statSync(local).size !== size) throw new Error('What came back has another size.');
    rmSync(local);
  }
  for (const [verb, [small = 0, large = 0]] of peaks) {
    const work = `vfolder ${verb} of ${sizeBytes / mib} MiB, memory of the program beyond that for 1 MiB`;
    const note = `${large.toFixed(0)} MiB, ${small.toFixed(0)} MiB`;
    yield toRow(
      { id: `C1/${verb}/growth`, work, measured: large - small, unit: 'MiB', note },
      { atMost: growthMiBMax },
    );
  }
}

/** Memory that stays flat whatever the size of a transfer. */
export async function* measureTransferMemory(context: BenchContext): AsyncIterable<BenchRow> {
  const dataDir = join(context.workDir, 'growth');
  const sizeBytes = (context.isQuick ? 256 : 5 * 1024) * mib;
  await withService(dataDir, makeFolder);
  for (const transfer of transfers) {
    yield await withService(dataDir, (service) => growthRow(service, transfer, sizeBytes));
  }
  const service = await startService({ dataDir });
  try {
    yield* measureProgram(service, { workDir: context.workDir, sizeBytes });
  } finally {
    await service.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}
