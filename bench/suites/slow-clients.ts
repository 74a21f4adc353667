import { once } from 'node:events';
import { type ClientRequest, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { call, load, openGun } from '../http.ts';
import { type BenchRow, interleave, median, toRow } from '../row.ts';
import { type BenchService, liftLimits, startService } from '../service.ts';
import { signedGet } from '../signed.ts';
import { bytesOf, sendStream } from '../stream.ts';
import type { BenchContext } from '../suite.ts';

const uploads = 30;
const bytesPerSecond = 64 * 1024;
const stepMs = 100;
const concurrency = 32;
const hungBytes = 64 * 1024 ** 2;
const listTarget = '/folders?paging[size]=50&paging[index]=0';

/** What goes on in the background until it is stopped. */
interface Background {
  /** @throws when one of the clients was refused meanwhile */
  stop(): Promise<void>;
}

/** Requests that end only when they are cut; an error before that is a failure of the run. */
function openRequests() {
  const open: ClientRequest[] = [];
  let failure: Error | undefined;
  let isOver = false;
  return {
    add(outgoing: ClientRequest): ClientRequest {
      open.push(outgoing);
      return outgoing.on('error', (error) => {
        if (!isOver) failure ??= error;
      });
    },
    fail(error: Error): void {
      failure ??= error;
    },
    cut(): void {
      isOver = true;
      for (const outgoing of open) outgoing.destroy();
    },
    check(): void {
      if (failure !== undefined) throw failure;
    },
  };
}

/** Thirty uploads that trickle, and one client that asks for a file and never reads it. */
async function startSlowClients(service: BenchService): Promise<Background> {
  const { port, authorization } = service;
  const requests = openRequests();
  const base = { host: '127.0.0.1', port, agent: false } as const;
  const hung = requests.add(
    request({ ...base, path: '/folders/bench/files/hung.bin', headers: { authorization } }),
  );
  hung.end();
  const [answer] = await once(hung, 'response');
  if (answer.statusCode !== 200) throw new Error(`The file to hang on answers ${answer.statusCode}.`);
  const uploading = Array.from({ length: uploads }, (_, index) =>
    requests.add(
      request({
        ...base,
        method: 'PUT',
        path: `/folders/bench/files/slow-${index}.bin`,
        headers: { authorization, 'content-length': 1024 ** 3 },
      }).on('response', ({ statusCode }) => {
        requests.fail(new Error(`An upload that still goes on is answered with ${statusCode}.`));
      }),
    ),
  );
  const piece = Buffer.alloc((bytesPerSecond * stepMs) / 1_000, 'x');
  const timer = setInterval(() => {
    for (const outgoing of uploading) outgoing.write(piece);
  }, stepMs);
  // Each is past its first bytes, which are kept in memory, and writes to its file.
  await delay(5_000);
  return {
    stop: async () => {
      clearInterval(timer);
      requests.check();
      requests.cut();
      // Their reservations and files are given back before the next round.
      await delay(1_000);
    },
  };
}

async function p99OfList(service: BenchService, count: number): Promise<number> {
  const gun = openGun(service.port, concurrency);
  const shot = signedGet(service, listTarget);
  const { p99Ms } = await load(gun, { count, concurrency, status: 200, shot: () => shot });
  gun.close();
  return p99Ms;
}

async function prepare(service: BenchService): Promise<void> {
  await liftLimits(service.databaseUrl);
  const gun = openGun(service.port, 1);
  const names = ['bench', ...Array.from({ length: 49 }, (_, index) => `folder-${index}`)];
  for (const name of names) {
    await call(gun, service.authorization, { method: 'POST', path: '/folders', json: { name } });
  }
  gun.close();
  await sendStream({
    port: service.port,
    method: 'PUT',
    path: '/folders/bench/files/hung.bin',
    headers: { authorization: service.authorization, 'content-length': hungBytes },
    body: bytesOf(hungBytes),
  });
}

/** What other calls notice of slow clients: goal X1. */
export async function* measureSlowClients(context: BenchContext): AsyncIterable<BenchRow> {
  const service = await startService({ dataDir: join(context.workDir, 'data') });
  try {
    await prepare(service);
    const count = context.isQuick ? 500 : 4_000;
    const beside = async () => {
      const background = await startSlowClients(service);
      const p99Ms = await p99OfList(service, count);
      await background.stop();
      return p99Ms;
    };
    const contestants = new Map([
      ['quiet', () => p99OfList(service, count)],
      ['beside', beside],
    ]);
    const results = await interleave(contestants, context.isQuick ? 1 : 5);
    const p99 = { quiet: median(results('quiet')), beside: median(results('beside')) };
    yield toRow(
      {
        id: 'X1',
        work: `list 50 folders, p99 beside ${uploads} uploads of 64 kB/s and a client that hangs, against without`,
        measured: p99.beside / p99.quiet,
        unit: '×',
        note: `${p99.beside.toFixed(1)} ms, ${p99.quiet.toFixed(1)} ms`,
      },
      { atMost: 1.5 },
    );
  } finally {
    await service.stop();
  }
}
