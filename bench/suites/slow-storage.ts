import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { parseEntryPath } from '../../domain/entry-path.ts';
import { folderComponents } from '../../storage/posix/layout.ts';
import { openPosixVolume, type PosixVolume } from '../../storage/posix/posix-volume.ts';
import { makeSmallFiles, makeWide } from '../corpus.ts';
import { type BenchRow, interleave, median, missingRow, toRow } from '../row.ts';
import { buildSlowStorage, countCalls, type SlowStorage } from '../slow-storage.ts';
import { measureSlowWorkers } from '../slow-workers.ts';
import type { BenchContext } from '../suite.ts';
import { hasProgram, runShell } from '../tools.ts';

const delayUs = 200;

/** What a process with a volume on slow storage is told to do. */
type TreeOrder =
  | { readonly verb: 'measure' | 'zip'; readonly folderId: string }
  | { readonly verb: 'purge'; readonly folderId: string; readonly trashId: string };

/** A process that lives as long as the suite: its volume is on slow storage, and so are its walkers. */
interface TreeProcess {
  /** @returns the milliseconds it took */
  run(order: TreeOrder): Promise<number>;
  end(): Promise<void>;
}

/** Where trees are made: here, on the same volume and quickly. */
interface Ground {
  readonly storage: SlowStorage;
  readonly workDir: string;
  readonly volume: PosixVolume;
  readonly volumeRoot: string;
  readonly own: TreeProcess;
  readonly ownCounts: string;
  readonly rounds: number;
}

const answerSchema = z.object({ ms: z.number() });

async function startTreeProcess(
  volumeRoot: string,
  env: Readonly<Record<string, string>>,
): Promise<TreeProcess> {
  const script = fileURLToPath(new URL('../tree-process.js', import.meta.url));
  const child = fork(script, [volumeRoot], { env: { PATH: process.env.PATH, ...env }, execArgv: [] });
  const exited = once(child, 'exit');
  const answer = async (): Promise<number> => {
    const ended = exited.then(() => {
      throw new Error('The process on slow storage ended.');
    });
    const [message] = await Promise.race([once(child, 'message'), ended]);
    return answerSchema.parse(message).ms;
  };
  await answer();
  return {
    run(order) {
      const answered = answer();
      child.send(order);
      return answered;
    },
    async end() {
      child.disconnect();
      await exited;
    },
  };
}

async function makeFolder({ volume, volumeRoot }: Ground): Promise<{ folderId: string; data: string }> {
  const folderId = randomUUID();
  await volume.createFolder(folderId);
  return { folderId, data: join(volumeRoot, 'f', ...folderComponents(folderId), 'data') };
}

/** Runs of one contestant: their times, and the calls that were slowed down in each. */
interface Contestant {
  readonly calls: number[];
  run(): Promise<number>;
}

function ownContestant(ground: Ground, prepare: () => Promise<TreeOrder>): Contestant {
  const calls: number[] = [];
  return {
    calls,
    async run() {
      const order = await prepare();
      const before = countCalls(ground.ownCounts);
      const ms = await ground.own.run(order);
      calls.push(countCalls(ground.ownCounts) - before);
      return ms;
    },
  };
}

function peerContestant(
  ground: Ground,
  command: string,
  directory: string,
  prepare: () => void | Promise<void>,
): Contestant {
  const calls: number[] = [];
  const countsPath = join(ground.workDir, 'peer-counts');
  return {
    calls,
    async run() {
      await prepare();
      const before = countCalls(countsPath);
      const ms = await runShell(command, directory, ground.storage.env({ delayUs, countsPath }));
      calls.push(countCalls(countsPath) - before);
      return ms;
    },
  };
}

/** How many times as fast as the peer; the note has the times and how many calls each made. */
async function race(own: Contestant, peer: Contestant, rounds: number) {
  const results = await interleave(
    new Map([
      ['own', own.run],
      ['peer', peer.run],
    ]),
    rounds,
  );
  const [ours, theirs] = [median(results('own')), median(results('peer'))];
  const told = (ms: number, { calls }: Contestant) =>
    `${ms.toFixed(0)} ms in ${median(calls).toFixed(0)} calls`;
  return { measured: theirs / ours, unit: '×', note: `${told(ours, own)}, ${told(theirs, peer)}` };
}

async function measureUsage(ground: Ground, files: number): Promise<BenchRow> {
  const { folderId, data } = await makeFolder(ground);
  makeWide(join(data, 'tree'), files);
  const own = ownContestant(ground, async () => ({ verb: 'measure', folderId }));
  const peer = peerContestant(ground, 'du -sb . > /dev/null', data, () => undefined);
  const figure = await race(own, peer, ground.rounds);
  await ground.volume.purgeFolder(folderId);
  const work = `usage of ${files.toLocaleString('en')} files where a call takes ${delayUs} µs more, speed against du -sb`;
  return toRow({ id: 'U2', work, ...figure }, { atLeast: 8 });
}

async function purge(ground: Ground, files: number): Promise<BenchRow> {
  const { volume, rounds } = ground;
  const { folderId, data } = await makeFolder(ground);
  const make = () => makeWide(join(data, 'tree'), files);
  const own = ownContestant(ground, async () => {
    const trashId = randomUUID();
    make();
    await volume.createTrash(folderId, trashId);
    await volume.trashEntry(folderId, parseEntryPath('tree', 'read'), trashId, 0);
    return { verb: 'purge', folderId, trashId };
  });
  const figure = await race(own, peerContestant(ground, 'rm -rf tree', data, make), rounds);
  await volume.purgeFolder(folderId);
  const work = `purge of ${files.toLocaleString('en')} files where a call takes ${delayUs} µs more, speed against rm -rf`;
  return toRow({ id: 'D3', work, ...figure }, { atLeast: 8 });
}

/** No goal of its own: what the job of A1 gains where files are far away. */
async function zip(ground: Ground, files: number): Promise<BenchRow> {
  const work = `zip of ${files.toLocaleString('en')} × 4 KiB where a call takes ${delayUs} µs more, speed against zip -r -1`;
  if (!hasProgram('zip')) return missingRow({ id: 'A1/slow', work, goal: '', note: 'zip is not installed' });
  const { folderId, data } = await makeFolder(ground);
  await makeSmallFiles(data, files, 4096);
  const out = join(ground.workDir, 'peer.zip');
  const own = ownContestant(ground, async () => ({ verb: 'zip', folderId }));
  const peer = peerContestant(ground, `zip -q -r -1 ${out} .`, data, () => rmSync(out, { force: true }));
  const figure = await race(own, peer, ground.rounds);
  rmSync(out);
  await ground.volume.purgeFolder(folderId);
  return toRow({ id: 'A1/slow', work, ...figure });
}

async function* measureTrees(
  storage: SlowStorage,
  { workDir, isQuick }: BenchContext,
): AsyncIterable<BenchRow> {
  const volumeRoot = join(workDir, 'volume');
  const volume = await openPosixVolume({ name: 'bench', root: volumeRoot });
  const ownCounts = join(workDir, 'own-counts');
  const own = await startTreeProcess(volumeRoot, storage.env({ delayUs, countsPath: ownCounts }));
  const ground = { storage, workDir, volume, volumeRoot, own, ownCounts, rounds: isQuick ? 1 : 3 };
  try {
    yield await measureUsage(ground, isQuick ? 5_000 : 30_000);
    yield await purge(ground, isQuick ? 5_000 : 30_000);
    yield await zip(ground, isQuick ? 500 : 3_000);
  } finally {
    await own.end();
    await volume.close();
  }
}

/** What work on whole trees makes of storage where each call takes longer: goals D3, U2 and S1. */
export async function* measureSlowStorage(context: BenchContext): AsyncIterable<BenchRow> {
  const storage = buildSlowStorage(context.workDir);
  if (typeof storage === 'string') {
    const missing = { goal: '≥ 8', note: storage };
    yield missingRow({ id: 'U2', work: 'usage on slow storage, speed against du -sb', ...missing });
    yield missingRow({ id: 'D3', work: 'purge on slow storage, speed against rm -rf', ...missing });
    yield missingRow({ id: 'S1', work: 'four workers on slow storage against one', ...missing, goal: '≥ 3' });
    return;
  }
  yield* measureTrees(storage, context);
  yield* measureSlowWorkers(storage, context);
}
