import { join } from 'node:path';
import { openPosixVolume } from '../storage/posix/posix-volume.ts';
import { makeWide } from './corpus.ts';
import { type BenchRow, interleave, median, toRow } from './row.ts';
import { runShell } from './tools.ts';
import {
  makeFolder,
  memoryRow,
  purgeElsewhere,
  purgeTree,
  ratio,
  type TreeFolder,
  type TreeGround,
  timed,
} from './tree-ground.ts';

const rounds = 3;

/** What one walk over the largest tree is compared with. */
interface Options {
  readonly volumeRoot: string;
  /** The path of a tree of as many files, which goes. */
  readonly peerTree: string;
  readonly files: number;
  /** Of the trees that tell how the cost of a file grows. */
  readonly filesFew: number;
}

function label(files: number): string {
  return `${files.toLocaleString('en')} files`;
}

function growthRow(id: string, work: string, few: number, many: number, options: Options): BenchRow {
  const { files, filesFew } = options;
  const [small, large] = [(few / filesFew) * 1000, (many / files) * 1000];
  const told = `${work} of ${label(files)} against one of ${label(filesFew)}, cost of a file`;
  const note = `${large.toFixed(2)} µs, ${small.toFixed(2)} µs`;
  const goal = id === 'D2/growth' ? { atMost: 1.2 } : {};
  return toRow({ id, work: told, measured: large / small, unit: '×', note }, goal);
}

async function* measureUsage(
  { volume }: TreeGround,
  { large, small }: { readonly large: TreeFolder; readonly small: TreeFolder },
  options: Options,
): AsyncIterable<BenchRow> {
  const results = await interleave(
    new Map([
      ['own', () => timed(() => volume.measure(large.folderId))],
      ['du', () => runShell('du -sb . > /dev/null', large.data)],
      ['few', () => timed(() => volume.measure(small.folderId))],
    ]),
    rounds,
  );
  const work = `usage of ${label(options.files)}, wide, against du -sb`;
  yield toRow({ id: 'U1', work, ...ratio(results('own'), results('du')) }, { atMost: 0.95 });
  yield growthRow('U1/growth', 'usage', median(results('few')), median(results('own')), options);
}

/**
 * Usage and purge of a tree as big as the goals name, beside their peers, and what a file of it costs beside one of a small
 * tree: goals U1 and D2 at the upper end.
 */
export async function* measureLargest(options: Options): AsyncIterable<BenchRow> {
  const { volumeRoot, files, filesFew } = options;
  const volume = await openPosixVolume({ name: 'bench', root: volumeRoot });
  try {
    const ground: TreeGround = { volume, volumeRoot };
    const large = await makeFolder(ground);
    const small = await makeFolder(ground);
    const purged = await makeFolder(ground);
    makeWide(join(large.data, 'tree'), files);
    makeWide(join(small.data, 'tree'), filesFew);
    const names = Array.from({ length: rounds + 1 }, (_, index) => `tree-${index}`);
    for (const name of names) makeWide(join(purged.data, name), filesFew);
    yield* measureUsage(ground, { large, small }, options);
    const few: number[] = [];
    for (const name of names) few.push(await purgeTree(ground, purged.folderId, name));
    const peerMs = await runShell(`rm -rf ${options.peerTree}`, volumeRoot);
    const own = purgeElsewhere(ground, large.folderId, 'tree');
    const work = `purge of ${label(files)}, wide, against rm -rf`;
    yield toRow({ id: 'D2', work, ...ratio([own.ms], [peerMs]) }, { atMost: 0.7 });
    yield growthRow('D2/growth', 'purge', median(few.slice(1)), own.ms, options);
    yield memoryRow(own, label(files));
    for (const { folderId } of [large, small, purged]) await volume.purgeFolder(folderId);
  } finally {
    await volume.close();
  }
}
