import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { call, type Gun, load, openGun, type Shot } from '../http.ts';
import { startRedis } from '../redis.ts';
import { type BenchRow, missingRow, toRow } from '../row.ts';
import { type BenchService, liftLimits, startService } from '../service.ts';
import type { BenchContext } from '../suite.ts';

const boundary = 'bench-boundary';
const content = randomBytes(4096);

/** A multipart request with files of 4 KiB. */
function upload(service: BenchService, names: readonly string[]): Shot {
  const parts = names.flatMap((name) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="src"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
    ),
    content,
    Buffer.from('\r\n'),
  ]);
  return {
    method: 'POST',
    path: '/folders/bench/upload',
    headers: {
      authorization: service.authorization,
      'content-type': `multipart/form-data; boundary=${boundary}`,
    },
    body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]),
  };
}

async function* measureOn(
  backend: 'redis' | 'postgres',
  service: BenchService,
  gun: Gun,
  isQuick: boolean,
): AsyncIterable<BenchRow> {
  await liftLimits(service.databaseUrl);
  await call(gun, service.authorization, { method: 'POST', path: '/folders', json: { name: 'bench' } });
  const isRedis = backend === 'redis';
  const queues = isRedis ? 'Redis' : 'embedded';
  const count = isQuick ? 200 : 6_000;
  const warmUp = { count: 200, concurrency: 16, status: 201 };
  await load(gun, { ...warmUp, shot: (index) => upload(service, [`warm/${index}`]) });
  const one = await load(gun, {
    ...warmUp,
    count,
    shot: (index) => upload(service, [`one/${index % 50}/${index}`]),
  });
  yield toRow(
    {
      id: `T3/${backend}`,
      work: `4 KiB uploads, one per request, c = 16, ${queues}`,
      measured: one.perSecond,
      unit: '1/s',
      note: `p50 ${one.p50Ms.toFixed(1)} ms, p99 ${one.p99Ms.toFixed(1)} ms`,
    },
    { atLeast: isRedis ? 600 : 300 },
  );
  const perRequest = 100;
  const many = await load(gun, {
    count: Math.ceil(count / perRequest),
    concurrency: 4,
    status: 201,
    shot: (index) =>
      upload(
        service,
        Array.from({ length: perRequest }, (_, file) => `many/${index}/${file}`),
      ),
  });
  const work = `4 KiB uploads, ${perRequest} per request, c = 4, ${queues}`;
  yield toRow(
    { id: `T4/${backend}`, work, measured: many.perSecond * perRequest, unit: 'files/s' },
    { atLeast: 2_500 },
  );
  const get = {
    method: 'GET',
    path: '/folders/bench/files/one/7/7',
    headers: { authorization: service.authorization },
  };
  const read = await load(gun, { count: count * 2, concurrency: 16, status: 200, shot: () => get });
  yield toRow(
    { id: `T5/small/${backend}`, work: 'GET of 4 KiB, c = 16', measured: read.perSecond, unit: '1/s' },
    { atLeast: 3_000 },
  );
  yield await measureJobs(backend, service, gun, isQuick);
}

async function measureJobs(
  backend: 'redis' | 'postgres',
  service: BenchService,
  gun: Gun,
  isQuick: boolean,
): Promise<BenchRow> {
  await call(gun, service.authorization, { method: 'POST', path: '/folders', json: { name: 'empty' } });
  const { authorization } = service;
  const shot = { method: 'POST', path: '/folders/empty/recalculate', headers: { authorization } };
  const { p50Ms, p99Ms } = await load(gun, {
    count: isQuick ? 30 : 500,
    concurrency: 1,
    status: 200,
    shot: () => shot,
  });
  return toRow(
    {
      id: `J1/${backend}`,
      work: 'a measurement of an empty folder, from request to answer, p50',
      measured: p50Ms,
      unit: 'ms',
      note: `p99 ${p99Ms.toFixed(1)} ms`,
    },
    { atMost: backend === 'redis' ? 10 : 20 },
  );
}

async function* measureBackend(
  backend: 'redis' | 'postgres',
  context: BenchContext,
): AsyncIterable<BenchRow> {
  const directory = join(context.workDir, backend);
  mkdirSync(directory, { recursive: true });
  const redis = backend === 'redis' ? await startRedis(directory) : undefined;
  if (redis === null) {
    const goal = '≥ 600';
    yield missingRow({
      id: 'T3/redis',
      work: 'uploads on Redis',
      goal,
      note: 'redis-server is not installed',
    });
    return;
  }
  try {
    const service = await startService({
      dataDir: join(directory, 'data'),
      ...(redis === undefined ? {} : { redisUrl: redis.url }),
    });
    const gun = openGun(service.port, 16);
    try {
      yield* measureOn(backend, service, gun, context.isQuick);
    } finally {
      gun.close();
      await service.stop();
    }
  } finally {
    await redis?.stop();
  }
}

/** Small durable uploads, small downloads and empty jobs on both queue backends: goals T3, T4, T5 and J1. */
export async function* measureSmallFiles(context: BenchContext): AsyncIterable<BenchRow> {
  yield* measureBackend('redis', context);
  yield* measureBackend('postgres', context);
}
