import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { parseEntryPath } from '../../domain/entry-path.ts';
import { folderComponents } from '../../storage/posix/layout.ts';
import { openPosixVolume, type PosixVolume } from '../../storage/posix/posix-volume.ts';
import { makeDeep, makeFlat, makeWide } from '../corpus.ts';
import { type BenchRow, interleave, median, toRow } from '../row.ts';
import type { BenchContext } from '../suite.ts';
import { runScript, runShell } from '../tools.ts';

/** A tree, how it is made, and the most that our time may be of each peer's. */
interface Shape {
  readonly name: string;
  readonly make: (path: string) => void;
  readonly purgeMax: number;
  readonly measureMax: number;
}

interface Ground {
  readonly volume: PosixVolume;
  readonly volumeRoot: string;
  readonly rounds: number;
}

function shapesOf(files: number): readonly Shape[] {
  return [
    { name: 'wide', make: (path) => makeWide(path, files), purgeMax: 0.7, measureMax: 0.95 },
    { name: 'flat', make: (path) => makeFlat(path, files), purgeMax: 0.7, measureMax: 1.3 },
    { name: 'deep', make: (path) => makeDeep(path, files / 10), purgeMax: 1.3, measureMax: 1.5 },
  ];
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

async function makeFolder({ volume, volumeRoot }: Ground): Promise<{ folderId: string; data: string }> {
  const folderId = randomUUID();
  await volume.createFolder(folderId);
  return { folderId, data: join(volumeRoot, 'f', ...folderComponents(folderId), 'data') };
}

function ratio(own: readonly number[], theirs: readonly number[]) {
  const [ours, peer] = [median(own), median(theirs)];
  return { measured: ours / peer, unit: '×', note: `${ours.toFixed(0)} ms, ${peer.toFixed(0)} ms` };
}

async function measureShape(ground: Ground, shape: Shape, label: string): Promise<BenchRow> {
  const { folderId, data } = await makeFolder(ground);
  shape.make(join(data, 'tree'));
  const results = await interleave(
    new Map([
      ['own', () => timed(() => ground.volume.measure(folderId))],
      ['du', async () => runShell('du -sb . > /dev/null', data)],
    ]),
    ground.rounds,
  );
  await ground.volume.purgeFolder(folderId);
  const work = `usage of ${label}, ${shape.name}, against du -sb`;
  return toRow({ id: 'U1', work, ...ratio(results('own'), results('du')) }, { atMost: shape.measureMax });
}

async function purgeShape(ground: Ground, shape: Shape, label: string): Promise<BenchRow> {
  const { volume } = ground;
  const { folderId, data } = await makeFolder(ground);
  // Before anything is removed: ext4 looks long for inodes where many were freed a moment ago.
  const names = Array.from({ length: 2 * (ground.rounds + 1) }, (_, index) => `tree-${index}`);
  for (const name of names) shape.make(join(data, name));
  const next = (): string => names.pop() ?? '';
  const purge = async (): Promise<number> => {
    const trashId = randomUUID();
    await volume.createTrash(folderId, trashId);
    await volume.trashEntry(folderId, parseEntryPath(next(), 'read'), trashId, 0);
    return timed(() => volume.purgeTrash(folderId, trashId));
  };
  const remove = async (): Promise<number> => runShell(`rm -rf ${next()}`, data);
  const results = await interleave(
    new Map([
      ['own', purge],
      ['rm', remove],
    ]),
    ground.rounds,
  );
  await volume.purgeFolder(folderId);
  const work = `purge of ${label}, ${shape.name}, against rm -rf`;
  return toRow({ id: 'D2', work, ...ratio(results('own'), results('rm')) }, { atMost: shape.purgeMax });
}

/** Pages of one big directory: the first, and one far behind. */
async function* listPages(ground: Ground, files: number, label: string): AsyncIterable<BenchRow> {
  const { volume } = ground;
  const { folderId, data } = await makeFolder(ground);
  makeFlat(join(data, 'tree'), files);
  const path = parseEntryPath('tree', 'read');
  const list = async (order: 'name' | null): Promise<readonly number[]> => {
    const times: number[] = [];
    let cursor: string | null | undefined;
    for (let page = 0; page < 40 && cursor !== null; page += 1) {
      const options = { limit: 100, ...(cursor === undefined ? {} : { cursor }) };
      const startedAt = performance.now();
      const answer =
        order === null
          ? await volume.list(folderId, path, options)
          : await volume.listSorted(folderId, path, { ...options, order });
      times.push(performance.now() - startedAt);
      cursor = answer.nextCursor;
    }
    return times;
  };
  await list(null);
  const firsts: number[] = [];
  const laters: number[] = [];
  // One page is over in the time of one turn of whatever else the machine does.
  for (let round = 0; round < ground.rounds; round += 1) {
    const [first, ...later] = await list(null);
    firsts.push(first ?? 0);
    laters.push(...later);
  }
  const sorted = await list('name');
  const row = (id: string, work: string, measured: number, atMost: number) =>
    toRow({ id, work: `${work} of a directory of ${label}`, measured, unit: 'ms' }, { atMost });
  yield row('L1', 'first page', median(firsts), 20);
  yield row('L1', 'later page', median(laters), 20);
  yield row('L2', 'first page by name', sorted[0] ?? 0, 150);
  yield row('L2', 'later page by name', median(sorted.slice(1)), 20);
  await volume.purgeFolder(folderId);
}

/** Memory of a process of its own that leads the walkers, and of each of them. */
async function measureMemory(ground: Ground, files: number, label: string): Promise<BenchRow> {
  const { folderId, data } = await makeFolder(ground);
  makeWide(join(data, 'tree'), files);
  const script = new URL('../purge-memory.js', import.meta.url);
  const printed = runScript(script, [ground.volumeRoot, folderId, 'tree']);
  const memory = z
    .object({ leaderMiB: z.number(), walkersMiB: z.array(z.number()) })
    .parse(JSON.parse(printed));
  await ground.volume.purgeFolder(folderId);
  const work = `memory of the process that leads the walkers, purge of ${label}`;
  const note = `its walkers ${memory.walkersMiB.map((mib) => `${mib.toFixed(0)} MiB`).join(', ')}`;
  return toRow({ id: 'D2/rss', work, measured: memory.leaderMiB, unit: 'MiB', note }, { atMost: 150 });
}

/** Purges, measurements and listings of big trees beside rm, du and themselves. */
export async function* measureTrees({ workDir, isQuick, say }: BenchContext): AsyncIterable<BenchRow> {
  const volumeRoot = join(workDir, 'volume');
  const volume = await openPosixVolume({ name: 'bench', root: volumeRoot });
  const ground: Ground = { volume, volumeRoot, rounds: isQuick ? 1 : 5 };
  const files = isQuick ? 10_000 : 100_000;
  const label = `${files.toLocaleString('en')} files`;
  try {
    for (const shape of shapesOf(files)) {
      say(`trees: ${shape.name}`);
      yield await measureShape(ground, shape, label);
      yield await purgeShape(ground, shape, label);
    }
    yield* listPages(ground, files, label);
    yield await measureMemory(ground, files, label);
  } finally {
    await volume.close();
  }
}
