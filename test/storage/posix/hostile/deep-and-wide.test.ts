import { closeSync, mkdirSync, openSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { link, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { eventually } from '../../../support/eventually.ts';
import { forkEvery, makeChain, openDescriptors } from '../../deep-tree.ts';
import { at, openTestVolume, type TestVolume, trash, walkAll } from '../../test-volume.ts';

/** VFOLDER_TREE_SCALE=10 for depth 50,000 and 200,000 entries. */
const scale = Number(process.env.VFOLDER_TREE_SCALE ?? 1);
const depth = 5000 * scale;
const width = 20_000 * scale;
vi.setConfig({ testTimeout: 120_000 * scale, hookTimeout: 60_000 * scale });
/** Far below what a level each would take, and what any process may have. */
const descriptorsMax = 250;

let test: TestVolume;
let descriptorsBefore: number;

beforeEach(async () => {
  descriptorsBefore = openDescriptors();
  test = await openTestVolume();
});
afterEach(async () => {
  // What fs.rm of the temporary directory would fail at: the path of the innermost is too long.
  await test.volume.purgeFolder(test.folderId);
  await test.close();
  await eventually(() => expect(openDescriptors()).toBeLessThanOrEqual(descriptorsBefore));
});

/** Runs `work` and tells the most descriptors seen open meanwhile, looked at whenever the event loop turns. */
async function watchDescriptors(work: () => Promise<unknown>): Promise<number> {
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, openDescriptors());
  }, 20);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return most - descriptorsBefore;
}

describe(`a tree ${depth} directories deep`, () => {
  it('is measured, walked to the depth limit and purged with a bounded number of descriptors', async () => {
    await mkdir(join(test.dataPath, 'tree'));
    makeChain(join(test.dataPath, 'tree'), depth);
    const total = { bytes: depth, files: depth, directories: depth + depth / forkEvery + 1 };
    const most = await watchDescriptors(async () => {
      expect(await test.volume.measure(test.folderId)).toEqual(total);
      const { entries, skipped } = await walkAll(test, 'tree');
      expect(Math.max(...entries.map(({ path }) => path.length))).toBe(1000);
      expect(skipped.map((text) => text.split(' ')[0])).toEqual(['too_deep']);
    });
    expect(most).toBeLessThan(descriptorsMax);
    const trashId = await trash(test, 'tree');
    expect(await test.volume.measureTrash(test.folderId, trashId)).toEqual(total);
    const mostToPurge = await watchDescriptors(async () => {
      expect(await test.volume.purgeTrash(test.folderId, trashId)).toEqual({
        entries: total.files + total.directories,
        directories: total.directories,
      });
    });
    expect(mostToPurge).toBeLessThan(60);
    expect(readdirSync(join(test.folderPath, 'trash'))).toEqual([]);
  });
});

describe(`a directory of ${width} entries`, () => {
  beforeEach(() => {
    mkdirSync(join(test.dataPath, 'wide'));
    for (let index = 0; index < width; index += 1) {
      const path = join(test.dataPath, 'wide', `entry-${index}`);
      if (index % 20 === 0) mkdirSync(path);
      else closeSync(openSync(path, 'w'));
    }
  });

  it('is measured, walked and purged without keeping the event loop', async () => {
    let turns = 0;
    let isDone = false;
    const turn = (): void => {
      turns += 1;
      if (!isDone) setImmediate(turn);
    };
    turn();
    const total = { bytes: 0, files: (width * 19) / 20, directories: width / 20 + 1 };
    expect(await test.volume.measure(test.folderId)).toEqual(total);
    let walked = 0;
    for await (const _ of test.volume.walk(test.folderId, at('wide'), {})) walked += 1;
    expect(walked).toBe(width + 1);
    const trashId = await trash(test, 'wide');
    expect(await test.volume.purgeTrash(test.folderId, trashId)).toEqual({
      entries: width + 1,
      directories: total.directories,
    });
    isDone = true;
    // Each of the three takes many times a slice of 5 ms; without slices they would turn a handful of times in all.
    expect(turns).toBeGreaterThan(20);
  });

  it('is listed page by page, every entry once', async () => {
    const seen = new Set<string>();
    let cursor: string | null | undefined;
    do {
      const options = cursor ? { limit: 1000, cursor } : { limit: 1000 };
      const page = await test.volume.list(test.folderId, at('wide'), options);
      for (const { name } of page.entries) seen.add(name);
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen.size).toBe(width);
  });

  it('stops a purge between slices when it is aborted, and goes on later', async () => {
    const trashId = await trash(test, 'wide');
    const controller = new AbortController();
    const reported: number[] = [];
    const purging = test.volume.purgeTrash(test.folderId, trashId, {
      signal: controller.signal,
      onProgress: ({ entries }) => {
        reported.push(entries);
        controller.abort(new Error('enough'));
      },
    });
    const outcome = await purging.then(
      () => 'finished',
      (error: Error) => error.message,
    );
    // A fast disk may be done before the first report.
    expect(['enough', 'finished']).toContain(outcome);
    await test.volume.purgeTrash(test.folderId, trashId);
    expect(await test.volume.listTrash(test.folderId)).toEqual([]);
  });
});

describe('odd files', () => {
  it('counts a sparse file of 8 TiB at its length and purges it at once', async () => {
    const path = join(test.dataPath, 'sparse');
    writeFileSync(path, '');
    truncateSync(path, 8 * 2 ** 40);
    expect(await test.volume.measure(test.folderId)).toMatchObject({ bytes: 8 * 2 ** 40, files: 1 });
    const trashId = await trash(test, 'sparse');
    expect(await test.volume.measureTrash(test.folderId, trashId)).toMatchObject({ bytes: 8 * 2 ** 40 });
    expect(await test.volume.purgeTrash(test.folderId, trashId)).toEqual({ entries: 1, directories: 0 });
  });

  it('counts ten thousand names of one inode once', async () => {
    await (await open(join(test.dataPath, 'first'), 'w')).close();
    for (let index = 0; index < 10_000; index += 1) {
      await link(join(test.dataPath, 'first'), join(test.dataPath, `name-${index}`));
    }
    expect(await test.volume.measure(test.folderId)).toMatchObject({ files: 1 });
    expect(await test.volume.purgeFolder(test.folderId)).toEqual({ entries: 10_003, directories: 2 });
  });

  it('purges a directory that is written to all the while', async () => {
    const busy = join(test.dataPath, 'busy');
    await mkdir(busy);
    for (let index = 0; index < 2000; index += 1) closeSync(openSync(join(busy, `old-${index}`), 'w'));
    const fd = openSync(busy, 'r');
    let written = 0;
    const timer = setInterval(() => {
      if (written > 500) return;
      try {
        // As a container does that has the directory as its working directory.
        closeSync(openSync(`/proc/self/fd/${fd}/new-${written}`, 'w'));
        written += 1;
      } catch {
        // The directory is gone, and with it the way back in.
      }
    }, 0);
    const trashId = await trash(test, 'busy');
    await test.volume.purgeTrash(test.folderId, trashId);
    clearInterval(timer);
    closeSync(fd);
    expect(readdirSync(join(test.folderPath, 'trash'))).toEqual([]);
    expect(readdirSync(test.dataPath)).toEqual([]);
  });
});
