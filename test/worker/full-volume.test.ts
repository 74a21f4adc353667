import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { canMount, mountTmpfs, resizeTmpfs, unmount } from '../support/tmpfs.ts';
import { countersOf, makeWorkStage, type WorkStage } from './work-stage.ts';

describe.skipIf(!(await canMount()))('committing on a full disk (needs the right to mount a tmpfs)', () => {
  let database: TestDatabase;
  let dir: TempDir;
  let stage: WorkStage;
  beforeEach(async () => {
    database = await createTestDatabase();
    dir = await createTempDir();
    await mountTmpfs(dir.path, 'size=8m');
    const backend = { name: 'postgres' as const, database, redisUrl: undefined, redis: noRedis };
    stage = await makeWorkStage(backend, { root: dir.path });
  });
  afterEach(async () => {
    await stage.close();
    await unmount(dir.path);
    await dir.remove();
    await database.close();
  });

  function noRedis(): never {
    throw new Error('The queues live in the database.');
  }

  /** Leaves `count` inodes free. */
  async function leaveInodes(count: number): Promise<void> {
    const { inodesTotal, inodesFree } = await stage.volume.capacity();
    await resizeTmpfs(dir.path, `nr_inodes=${inodesTotal - inodesFree + count}`);
  }

  it('shows nothing of an upload whose directories do not fit, and takes it once there is room', async () => {
    await stage.start();
    const first = await stage.stageUpload({ 'd/a': '1', 'e/b': '22' });
    await leaveInodes(1);
    stage.dispatch(first.jobId);
    expect(await stage.jobs.ended(first.jobId)).toMatchObject({ state: 'failed', errorCode: 'volume_full' });
    expect([await stage.read('d/a'), await stage.read('e/b')]).toEqual([null, null]);
    expect(await countersOf(stage)).toEqual({ used: [0, 0], reserved: [0, 0], trash: [0, 0] });
    await leaveInodes(10);
    const second = await stage.stageUpload({ 'd/a': '1', 'e/b': '22' });
    stage.dispatch(second.jobId);
    expect(await stage.jobs.ended(second.jobId)).toMatchObject({ state: 'succeeded' });
    expect(await countersOf(stage)).toEqual({ used: [3, 2], reserved: [0, 0], trash: [0, 0] });
  });

  it('finishes an upload that met the full disk half-way', async () => {
    const data = join(stage.folderRoot, 'data');
    let tries = 0;
    await stage.start({
      ...stage.volume,
      commitStage: async (...args: Parameters<typeof stage.volume.commitStage>) => {
        if (args[2].at(-1) === 'b') tries += 1;
        if (args[2].at(-1) === 'b' && tries === 1) {
          // A container takes the directory away, and its inode.
          await rm(join(data, 'e'), { recursive: true });
          await leaveInodes(1);
          await writeFile(join(data, 'filler'), '');
        } else if (tries > 1) await leaveInodes(10);
        return stage.volume.commitStage(...args);
      },
    });
    const { jobId } = await stage.stageUpload({ 'd/a': '1', 'e/b': '22' });
    stage.dispatch(jobId);
    expect(await stage.jobs.ended(jobId)).toMatchObject({ state: 'succeeded', result: { failed: [] } });
    expect(tries).toBe(2);
    expect([await stage.read('d/a'), await stage.read('e/b')]).toEqual(['1', '22']);
    expect(await countersOf(stage)).toEqual({ used: [3, 2], reserved: [0, 0], trash: [0, 0] });
  });
});
