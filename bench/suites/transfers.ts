import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { call, load, openGun } from '../http.ts';
import { peakRssMiB } from '../resident.ts';
import { type BenchRow, interleave, median, toRow } from '../row.ts';
import { type BenchService, liftLimits, startProgram, startService, stopProgram } from '../service.ts';
import { bytesOf, receiveStream, sendStream } from '../stream.ts';
import type { BenchContext } from '../suite.ts';
import { measureTransferMemory } from '../transfer-memory.ts';
import { postMultipart, postTus, putFile } from '../uploads.ts';

const mib = 1024 * 1024;

interface Contest {
  readonly service: BenchService;
  readonly barePort: number;
  readonly sizeBytes: number;
  readonly rounds: number;
}

function putBare({ barePort, sizeBytes }: Contest): Promise<number> {
  const headers = { 'content-length': sizeBytes };
  return sendStream({ port: barePort, method: 'PUT', path: '/bare.bin', headers, body: bytesOf(sizeBytes) });
}

async function* compareUploads(contest: Contest): AsyncIterable<BenchRow> {
  const contestants = new Map([
    ['bare', () => putBare(contest)],
    ['put', () => putFile(contest)],
    ['multipart', () => postMultipart(contest)],
    ['tus', () => postTus(contest)],
  ]);
  const results = await interleave(contestants, contest.rounds);
  const bare = median(results('bare'));
  const rate = (ms: number) => `${((contest.sizeBytes / mib / ms) * 1_000).toFixed(0)} MiB/s`;
  const size = `${contest.sizeBytes / mib} MiB`;
  const rows = [
    { id: 'T1/put', name: 'put', work: `PUT of ${size}`, atLeast: 0.85 },
    { id: 'T2/multipart', name: 'multipart', work: `multipart upload of ${size}`, atLeast: 0.75 },
    { id: 'T2/tus', name: 'tus', work: `tus upload of ${size} in parts of 64 MiB`, atLeast: 0.7 },
  ];
  for (const { id, name, work, atLeast } of rows) {
    const ms = median(results(name));
    const note = `${rate(ms)} against ${rate(bare)}`;
    yield toRow(
      { id, work: `${work}, speed against the bare prototype`, measured: bare / ms, unit: '×', note },
      { atLeast },
    );
  }
  const rss = peakRssMiB(contest.service.apiPid());
  yield toRow(
    { id: 'T1/rss', work: `peak memory of the API over these uploads`, measured: rss, unit: 'MiB' },
    { atMost: 130 },
  );
}

async function* compareDownloads(contest: Contest): AsyncIterable<BenchRow> {
  const { service, barePort, sizeBytes, rounds } = contest;
  const headers = { authorization: service.authorization };
  const read = async (port: number, path: string) => {
    const got = await receiveStream({ port, path, headers });
    if (got.sizeBytes !== sizeBytes) throw new Error(`${path} has ${got.sizeBytes} bytes.`);
    return got.ms;
  };
  const contestants = new Map([
    ['bare', () => read(barePort, '/bare.bin')],
    ['get', () => read(service.port, '/folders/bench/files/put.bin')],
  ]);
  const results = await interleave(contestants, rounds);
  const ratio = median(results('bare')) / median(results('get'));
  const work = `GET of ${sizeBytes / mib} MiB, speed against a bare pipe`;
  yield toRow({ id: 'T5/large', work, measured: ratio, unit: '×' }, { atLeast: 0.9 });
  const gun = openGun(service.port, 1);
  const { p50Ms } = await load(gun, {
    count: 200,
    concurrency: 1,
    status: 206,
    shot: (index) => ({
      method: 'GET',
      path: '/folders/bench/files/put.bin',
      headers: { ...headers, range: `bytes=${index * 1_000}-${index * 1_000 + 99}` },
    }),
  });
  gun.close();
  const rangeWork = `100-byte Range of ${sizeBytes / mib} MiB, p50`;
  yield toRow({ id: 'T5/range', work: rangeWork, measured: p50Ms, unit: 'ms' }, { atMost: 10 });
}

async function* measureSpeed(context: BenchContext): AsyncIterable<BenchRow> {
  const service = await startService({ dataDir: join(context.workDir, 'data') });
  try {
    await liftLimits(service.databaseUrl);
    const gun = openGun(service.port, 1);
    await call(gun, service.authorization, { method: 'POST', path: '/folders', json: { name: 'bench' } });
    gun.close();
    const directory = join(context.workDir, 'bare');
    mkdirSync(directory);
    const bare = await startProgram({
      program: 'bench/peers/bare-transfer.js',
      env: { DIRECTORY: directory },
      ready: /listening on (\d+)/,
    });
    const contest = {
      service,
      barePort: Number(bare.match[1]),
      sizeBytes: (context.isQuick ? 64 : 1024) * mib,
      rounds: context.isQuick ? 1 : 5,
    };
    try {
      yield* compareUploads(contest);
      yield* compareDownloads(contest);
    } finally {
      await stopProgram(bare.child);
    }
  } finally {
    await service.stop();
  }
}

/** Large uploads and downloads against the least that such a transfer takes, and their memory: goals T1, T2 and T5. */
export async function* measureTransfers(context: BenchContext): AsyncIterable<BenchRow> {
  yield* measureSpeed(context);
  yield* measureTransferMemory(context);
}
