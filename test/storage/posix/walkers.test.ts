import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { describeFolders } from '../contract/folders.ts';
import { describeTrash } from '../contract/trash.ts';
import { openTestVolumeWithWalkers, type TestVolume, trash } from '../test-volume.ts';

let test: TestVolume;

beforeEach(async () => {
  test = await openTestVolumeWithWalkers();
});
afterEach(() => test.close());

/** Processes that `pid` started and that run a walker. */
function walkersOf(pid: number): number[] {
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    try {
      const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, 'utf8'))?.[1];
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      if (Number(parent) === pid && /walks\/walker\.[jt]s/.test(command)) found.push(Number(name));
    } catch {
      // It has ended, or is no process.
    }
  }
  return found;
}

/** What the open descriptors of a process lead to; it may be closing some. */
function openedBy(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return [];
    }
  });
}

function plantTree(directories: number, filesEach: number): void {
  for (let index = 0; index < directories; index += 1) {
    const path = join(test.dataPath, 'tree', `d${index}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < filesEach; file += 1) writeFileSync(join(path, `f${file}`), 'x');
  }
}

describe('a volume whose walkers walk every tree', () => {
  describe('folders', () => describeFolders(() => test));
  describe('trash', () => describeTrash(() => test));
});

describe('walkers', () => {
  it('divide a wide tree and a flat directory between them, and count and remove all of it once', async () => {
    plantTree(60, 40);
    plantTree(1, 5000);
    const usage = { bytes: 7360, files: 7360, directories: 61 };
    const several = await Promise.all([1, 2, 3].map(() => test.volume.measure(test.folderId)));
    expect(several).toEqual([usage, usage, usage]);
    const trashId = await trash(test, 'tree');
    const purged = await Promise.all([1, 2].map(() => test.volume.purgeTrash(test.folderId, trashId)));
    expect(purged.reduce((sum, { entries }) => sum + entries, 0)).toBe(7421);
  });

  it('know nothing of the settings and secrets of who started them', async () => {
    await test.volume.measure(test.folderId);
    const walkers = walkersOf(process.pid);
    expect(walkers.length).toBeGreaterThan(0);
    for (const pid of walkers) expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('VFOLDER');
  });

  it('are done without when they are killed: what they were at is finished all the same', async () => {
    plantTree(50, 100);
    await test.volume.measure(test.folderId);
    const usage = { bytes: 5000, files: 5000, directories: 51 };
    const measuring = test.volume.measure(test.folderId);
    for (const pid of walkersOf(process.pid)) process.kill(pid, 'SIGKILL');
    expect(await measuring).toEqual(usage);
    const trashId = await trash(test, 'tree');
    const purging = test.volume.purgeTrash(test.folderId, trashId);
    for (const pid of walkersOf(process.pid)) process.kill(pid, 'SIGKILL');
    await purging;
    expect(readdirSync(join(test.folderPath, 'trash'))).toEqual([]);
  });

  it('keep no descriptor of a tree whose walk has ended, was aborted, or met what is not there', async () => {
    plantTree(50, 20);
    await test.volume.measure(test.folderId);
    const pids = walkersOf(process.pid);
    const opened = (): string[] => pids.flatMap(openedBy);
    const ofFolder = (): string[] => opened().filter((path) => path.includes(test.folderId));
    expect(opened().length).toBeGreaterThan(0);
    const trashId = await trash(test, 'tree');
    const controller = new AbortController();
    const purging = test.volume.purgeTrash(test.folderId, trashId, { signal: controller.signal });
    const aborted = expect(purging).rejects.toThrow('enough');
    controller.abort(new Error('enough'));
    await aborted;
    await Promise.all([
      test.volume.measure(test.folderId),
      test.volume.purgeTrash(test.folderId, trashId),
      test.volume.purgeTrash(test.folderId, trashId),
    ]);
    await test.volume.purgeTrash(test.folderId, trashId);
    await eventually(() => expect(ofFolder()).toEqual([]));
  });

  it('stop for an abort, which is answered at once', async () => {
    plantTree(50, 100);
    const trashId = await trash(test, 'tree');
    const controller = new AbortController();
    const purging = test.volume.purgeTrash(test.folderId, trashId, { signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(purging).rejects.toThrow('enough');
    await test.volume.purgeTrash(test.folderId, trashId);
    expect(await test.volume.listTrash(test.folderId)).toEqual([]);
  });

  it('end with the volume, and when the process that started them is killed', async () => {
    await test.volume.measure(test.folderId);
    const mine = walkersOf(process.pid);
    expect(mine.length).toBeGreaterThan(0);
    await test.close();
    expect(walkersOf(process.pid).filter((pid) => mine.includes(pid))).toEqual([]);

    test = await openTestVolumeWithWalkers();
    const program = fileURLToPath(new URL('./fixtures/measure-for-ever.ts', import.meta.url));
    const other = spawn(process.execPath, ['--import', 'tsx', program, test.rootPath, test.folderId], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(other.stdout, 'data');
    const theirs = walkersOf(other.pid ?? 0);
    expect(theirs.length).toBeGreaterThan(0);
    other.kill('SIGKILL');
    await eventually(() => {
      const alive = readdirSync('/proc').filter((name) => theirs.includes(Number(name)));
      expect(alive).toEqual([]);
    });
  });
});
