import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDataDir } from '../../supervisor/lock.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';

let dir: TempDir;

beforeEach(async () => {
  dir = await createTempDir();
});

afterEach(() => dir.remove());

describe('lockDataDir', () => {
  it('lets exactly one of many in, and the next after its release', async () => {
    const attempts = await Promise.allSettled(Array.from({ length: 16 }, () => lockDataDir(dir.path)));
    const holders = attempts.filter((attempt) => attempt.status === 'fulfilled');
    expect(holders).toHaveLength(1);
    await holders[0]?.value();
    const release = await lockDataDir(dir.path);
    await release();
    expect(await readdir(dir.path)).toEqual([]);
  });

  it.each([
    ['a process that is gone', '999999999 1\n'],
    ['a process whose number was reused', `${process.pid} 1\n`],
    ['nobody, after a crash in the middle', ''],
  ])('replaces the lock of %s', async (_name, content) => {
    await writeFile(join(dir.path, 'supervisor.lock'), content);
    const release = await lockDataDir(dir.path);
    await expect(lockDataDir(dir.path)).rejects.toThrow(`(process ${process.pid})`);
    await release();
  });

  it('lets one of many in over a stale lock', async () => {
    await writeFile(join(dir.path, 'supervisor.lock'), '999999999 1\n');
    const attempts = await Promise.allSettled(Array.from({ length: 16 }, () => lockDataDir(dir.path)));
    expect(attempts.filter((attempt) => attempt.status === 'fulfilled')).toHaveLength(1);
  });

  it('names VFOLDER_DATA_DIR when the directory cannot be made', async () => {
    await writeFile(join(dir.path, 'file'), '');
    await expect(lockDataDir(join(dir.path, 'file', 'data'))).rejects.toThrow(
      /cannot be made: set VFOLDER_DATA_DIR/,
    );
  });
});
