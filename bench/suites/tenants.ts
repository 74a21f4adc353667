import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { call, type Gun, load, openGun, type Shot } from '../http.ts';
import { startRedis } from '../redis.ts';
import { type BenchRow, missingRow, quantile, toRow } from '../row.ts';
import { type BenchService, liftLimits, startService } from '../service.ts';
import type { BenchContext } from '../suite.ts';

const boundary = 'bench-boundary';
const content = randomBytes(4096);
const filesPerRequest = 100;
const deletesAtOnce = 8;

function upload(authorization: string, names: readonly string[]): Shot {
  const parts = names.flatMap((name) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="src"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
    ),
    content,
    Buffer.from('\r\n'),
  ]);
  const headers = { authorization, 'content-type': `multipart/form-data; boundary=${boundary}` };
  const body = Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]);
  return { method: 'POST', path: '/folders/bench/upload', headers, body };
}

/** A tenant of its own with a folder `bench`. @returns its `Basic` header */
async function makeTenant(gun: Gun, service: BenchService, word: string): Promise<string> {
  const email = `${word}@example.org`;
  await call(gun, service.authorization, { method: 'POST', path: '/admin/users', json: { email } });
  const answer = await gun.fire({
    method: 'POST',
    path: '/admin/keypairs',
    headers: { authorization: service.authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ user: email }),
  });
  const keypair = JSON.parse(answer.body.toString());
  const basic = Buffer.from(`${keypair.access_key}:${keypair.secret_key}`).toString('base64');
  const authorization = `Basic ${basic}`;
  await call(gun, authorization, { method: 'POST', path: '/folders', json: { name: 'bench' } });
  return authorization;
}

async function uploadOnes(gun: Gun, authorization: string, names: readonly string[]): Promise<number[]> {
  const times: number[] = [];
  for (const name of names) {
    const startedAt = performance.now();
    const { status } = await gun.fire(upload(authorization, [name]));
    if (status !== 201) throw new Error(`The upload answers ${status}.`);
    times.push(performance.now() - startedAt);
  }
  return times;
}

async function measureOn(
  backend: 'redis' | 'postgres',
  service: BenchService,
  gun: Gun,
  isQuick: boolean,
): Promise<BenchRow> {
  await liftLimits(service.databaseUrl);
  const [busy, modest] = [await makeTenant(gun, service, 'busy'), await makeTenant(gun, service, 'modest')];
  const purges = isQuick ? 200 : 1_000;
  const uploads = isQuick ? 20 : 100;
  const names = Array.from({ length: purges }, (_, index) => `${index}`);
  await load(gun, {
    count: Math.ceil(purges / filesPerRequest),
    concurrency: 2,
    status: 201,
    shot: (index) => upload(busy, names.slice(index * filesPerRequest, (index + 1) * filesPerRequest)),
  });
  const namesOf = (word: string) => Array.from({ length: uploads }, (_, index) => `${word}/${index}`);
  const quiet = await uploadOnes(gun, modest, namesOf('quiet'));
  const remove = (index: number): Shot => {
    const body = JSON.stringify({ files: [names[index]] });
    // Node states no length for a DELETE by itself.
    const length = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const headers = { authorization: busy, ...length };
    return { method: 'DELETE', path: '/folders/bench/delete_files', headers, body };
  };
  const [beside] = await Promise.all([
    uploadOnes(gun, modest, namesOf('beside')),
    load(gun, { count: purges, concurrency: deletesAtOnce, status: 200, shot: remove }),
  ]);
  return toRow(
    {
      id: `X2/${backend}`,
      work: `an upload of 4 KiB beside another tenant's ${purges} purges, p95, ${backend === 'redis' ? 'Redis' : 'embedded'}`,
      measured: quantile(beside, 0.95),
      unit: 'ms',
      note: `without them ${quantile(quiet, 0.95).toFixed(1)} ms`,
    },
    { atMost: 1_000 },
  );
}

async function measureBackend(backend: 'redis' | 'postgres', context: BenchContext): Promise<BenchRow> {
  const directory = join(context.workDir, backend);
  mkdirSync(directory, { recursive: true });
  const redis = backend === 'redis' ? await startRedis(directory) : undefined;
  if (redis === null) {
    const work = 'an upload beside purges, Redis';
    return missingRow({ id: 'X2/redis', work, goal: '≤ 1000', note: 'redis-server is not installed' });
  }
  try {
    const service = await startService({
      dataDir: join(directory, 'data'),
      ...(redis === undefined ? {} : { redisUrl: redis.url }),
    });
    const gun = openGun(service.port, deletesAtOnce + 1);
    try {
      return await measureOn(backend, service, gun, context.isQuick);
    } finally {
      gun.close();
      await service.stop();
    }
  } finally {
    await redis?.stop();
  }
}

/** What one tenant notices of another one's work: goal X2. */
export async function* measureTenants(context: BenchContext): AsyncIterable<BenchRow> {
  yield await measureBackend('redis', context);
  yield await measureBackend('postgres', context);
}
