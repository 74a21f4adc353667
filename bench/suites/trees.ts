import { join } from 'node:path';
import { parseEntryPath } from '../../domain/entry-path.ts';
import { openPosixVolume } from '../../storage/posix/posix-volume.ts';
import { makeDeep, makeFlat, makeWide } from '../corpus.ts';
import { type BenchRow, interleave, median, toRow } from '../row.ts';
import type { BenchContext } from '../suite.ts';
import { runShell } from '../tools.ts';
import {
  makeFolder,
  memoryRow,
  purgeElsewhere,
  purgeTree,
  ratio,
  type TreeGround,
  timed,
} from '../tree-ground.ts';

/** A tree, how it is made, and the most that our time may be of each peer's. */
interface Shape {
  readonly name: string;
  readonly make: (path: string) => void;
  readonly purgeMax: number;
  /** The most files of a tree that is purged, if not any: every round takes two trees. */
  readonly purgedFilesMax?: number;
  readonly measureMax: number;
}

interface Ground extends TreeGround {
  readonly rounds: number;
}

function shapesOf(files: number): readonly Shape[] {
  return [
    { name: 'wide', make: (path) => makeWide(path, files), purgeMax: 0.7, measureMax: 0.95 },
    { name: 'flat', make: (path) => makeFlat(path, files), purgeMax: 0.7, measureMax: 1.3 },
    {
      name: 'deep',
      make: (path) => makeDeep(path, files),
      purgeMax: 1.3,
      measureMax: 1.5,
      purgedFilesMax: 10_000,
    },
  ];
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
  const { folderId, data } = await makeFolder(ground);
  // Before anything is removed: ext4 looks long for inodes where many were freed a moment ago.
  const names = Array.from({ length: 2 * (ground.rounds + 1) }, (_, index) => `tree-${index}`);
  for (const name of names) shape.make(join(data, name));
  const next = (): string => names.pop() ?? '';
  const remove = async (): Promise<number> => runShell(`rm -rf ${next()}`, data);
  const results = await interleave(
    new Map([
      ['own', () => purgeTree(ground, folderId, next())],
      ['rm', remove],
    ]),
    ground.rounds,
  );
  await ground.volume.purgeFolder(folderId);
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
  const memory = purgeElsewhere(ground, folderId, 'tree');
  await ground.volume.purgeFolder(folderId);
  return memoryRow(memory, label);
}

/** Purges, measurements and listings of big trees beside rm, du and themselves. */
export async function* measureTrees({ workDir, isQuick, say }: BenchContext): AsyncIterable<BenchRow> {
  const volumeRoot = join(workDir, 'volume');
  const volume = await openPosixVolume({ name: 'bench', root: volumeRoot });
  const ground: Ground = { volume, volumeRoot, rounds: isQuick ? 1 : 5 };
  // Trees of a million files are walked by the suite `deletes`, which has them.
  const [filesFew, files] = isQuick ? [2_000, 10_000] : [10_000, 100_000];
  const labelOf = (count: number): string => `${count.toLocaleString('en')} files`;
  const label = labelOf(files);
  try {
    for (const count of [filesFew, files]) {
      for (const shape of shapesOf(count)) {
        say(`trees: ${labelOf(count)}, ${shape.name}`);
        yield await measureShape(ground, shape, labelOf(count));
        if (count <= (shape.purgedFilesMax ?? count)) yield await purgeShape(ground, shape, labelOf(count));
      }
    }
    yield* listPages(ground, files, label);
    yield await measureMemory(ground, files, label);
  } finally {
    await volume.close();
  }
}
