import { join } from 'node:path';
import { call, type Gun, type LoadResult, load, openGun, type Shot } from '../http.ts';
import { type BenchRow, interleave, median, toRow } from '../row.ts';
import { type BenchService, liftLimits, startProgram, startService, stopProgram } from '../service.ts';
import { signedGet } from '../signed.ts';
import type { BenchContext } from '../suite.ts';

const concurrency = 32;

async function makeFolders(gun: Gun, authorization: string, names: readonly string[]): Promise<void> {
  const queue = names.values();
  const work = async () => {
    for (const name of queue) {
      await call(gun, authorization, { method: 'POST', path: '/folders', json: { name } });
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
}

async function* compare(options: {
  readonly service: BenchService;
  readonly barePort: number;
  readonly isQuick: boolean;
}): AsyncIterable<BenchRow> {
  const { service, barePort, isQuick } = options;
  const count = isQuick ? 500 : 8_000;
  const own = openGun(service.port, concurrency);
  const bare = openGun(barePort, concurrency);
  const cases = [
    {
      id: 'M1/list',
      work: 'list 50 folders, signed',
      target: '/folders?paging[size]=50&paging[index]=0',
      bare: '/folders',
    },
    { id: 'M1/info', work: 'folder info, signed', target: '/folders/folder-7', bare: '/folders/folder-7' },
  ];
  for (const { id, work, target, bare: path } of cases) {
    const runs = { own: [] as LoadResult[], bare: [] as LoadResult[] };
    const shoot = async (side: keyof typeof runs, gun: Gun, shot: Shot) => {
      const result = await load(gun, { count, concurrency, status: 200, shot: () => shot });
      runs[side].push(result);
      return result.perSecond;
    };
    const results = await interleave(
      new Map([
        ['own', async () => shoot('own', own, signedGet(service, target))],
        ['bare', async () => shoot('bare', bare, { method: 'GET', path })],
      ]),
      isQuick ? 1 : 5,
    );
    const perSecond = { own: median(results('own')), bare: median(results('bare')) };
    const note = `${perSecond.own.toFixed(0)}/s against ${perSecond.bare.toFixed(0)}/s`;
    const ratio = {
      id,
      work: `${work}, against the bare handler`,
      measured: perSecond.own / perSecond.bare,
      unit: '×',
      note,
    };
    yield toRow(ratio, { atLeast: 0.5 });
    const p99Of = (side: keyof typeof runs) => median(runs[side].slice(1).map((run) => run.p99Ms));
    yield toRow(
      {
        id: `${id}/p99`,
        work: `${work}, p99 at c = ${concurrency}`,
        measured: p99Of('own'),
        unit: 'ms',
        note: `the bare handler ${p99Of('bare').toFixed(1)} ms`,
      },
      { atMost: 25 },
    );
  }
  own.close();
  bare.close();
}

/** One page of the list of somebody with many folders. */
async function pageOfMany(service: BenchService, count: number): Promise<BenchRow> {
  const gun = openGun(service.port, 8);
  const names = Array.from({ length: count }, (_, index) => `many-${index}`);
  await makeFolders(gun, service.authorization, names);
  const shot = signedGet(service, '/folders?paging[size]=50&paging[index]=3');
  const { p50Ms } = await load(gun, { count: 200, concurrency: 1, status: 200, shot: () => shot });
  gun.close();
  const work = `a page of 50 of ${count.toLocaleString('en')} folders`;
  return toRow({ id: 'M2', work, measured: p50Ms, unit: 'ms' }, { atMost: 20 });
}

/** Requests that the API answers itself: goals M1 and M2. */
export async function* measureMetadata(context: BenchContext): AsyncIterable<BenchRow> {
  const service = await startService({ dataDir: join(context.workDir, 'data') });
  try {
    await liftLimits(service.databaseUrl);
    const gun = openGun(service.port, 8);
    await makeFolders(
      gun,
      service.authorization,
      Array.from({ length: 50 }, (_, index) => `folder-${index}`),
    );
    const user = await call(gun, service.authorization, { method: 'GET', path: '/admin/users' });
    gun.close();
    const bare = await startProgram({
      program: 'bench/peers/bare-api.js',
      env: { DATABASE_URL: service.databaseUrl, USER_ID: firstUserId(user) },
      ready: /listening on (\d+)/,
    });
    try {
      yield* compare({ service, barePort: Number(bare.match[1]), isQuick: context.isQuick });
    } finally {
      await stopProgram(bare.child);
    }
    yield await pageOfMany(service, context.isQuick ? 200 : 10_000);
  } finally {
    await service.stop();
  }
}

function firstUserId(reply: unknown): string {
  if (typeof reply !== 'object' || reply === null || !('items' in reply) || !Array.isArray(reply.items)) {
    throw new Error('The list of users has items.');
  }
  return String(reply.items[0]?.id);
}
