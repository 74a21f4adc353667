import { link, mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eq, sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { requeuePurge } from '../../db/queries/sweep.ts';
import { folders } from '../../db/schema/folders.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { measureRequest } from '../../jobs/measure-request.ts';
import { describeEachBackend } from '../support/backends.ts';
import { runToEnd } from './run-now.ts';
import { countersOf, makeWorkStage, type WorkStage } from './work-stage.ts';

describeEachBackend('measuring usage', (backend) => {
  let stage: WorkStage;
  beforeEach(async () => {
    stage = await makeWorkStage(backend);
  });
  afterEach(() => stage.close());

  const measure = () =>
    stage.jobs.submit(stage.client, measureRequest(stage.folderId, 'local', stage.ownerId));
  /** A request that no consumer of this test hears of. */
  const request = () =>
    stage.client.enqueue(backend.database.db, measureRequest(stage.folderId, 'local', stage.ownerId));
  async function insertPurge(values: Partial<typeof jobs.$inferInsert>): Promise<string> {
    const id = uuidv7();
    await stage.client.enqueue(backend.database.db, {
      id,
      kind: 'trash.purge',
      payload: { trashId: id },
      volume: 'local',
      folderId: stage.folderId,
      actorId: null,
      holdMs: 3_600_000,
    });
    await backend.database.db.update(jobs).set(values).where(eq(jobs.id, id));
    return id;
  }
  const inData = (path: string) => join(stage.folderRoot, 'data', path);

  it('corrects what a container changed behind our back, and says by how much', async () => {
    await mkdir(inData('d'));
    await writeFile(inData('d/f'), 'twelve bytes');
    await link(inData('d/f'), inData('second-name'));
    await symlink('/etc/passwd', inData('link'));
    await writeFile(inData('sparse'), '');
    await truncate(inData('sparse'), 1_000_000);
    await stage.start();
    expect(await stage.jobs.ended(await measure())).toMatchObject({
      state: 'succeeded',
      result: { before: { bytes: 0, files: 0 }, after: { bytes: 1_000_012, files: 2 } },
    });
    expect(await countersOf(stage)).toMatchObject({ used: [1_000_012, 2] });
  });

  it('never changes a right value, also while uploads and measurements run side by side', async () => {
    await stage.start();
    const commits: string[] = [];
    const measures: string[] = [];
    for (let round = 0; round < 15; round += 1) {
      const { jobId } = await stage.stageUpload({
        [`f${round % 6}`]: 'x'.repeat(round + 1),
        [`g${round}`]: 'yy',
      });
      stage.dispatch(jobId);
      commits.push(jobId);
      measures.push(await measure());
    }
    for (const jobId of commits) expect(await stage.jobs.ended(jobId)).toMatchObject({ state: 'succeeded' });
    for (const jobId of new Set(measures)) await stage.jobs.ended(jobId);
    const counted = await countersOf(stage);
    const last = await stage.jobs.ended(await measure());
    expect(last).toMatchObject({ state: 'succeeded', result: { drift: { bytes: 0, files: 0 } } });
    expect(await countersOf(stage)).toEqual(counted);
  });

  it('corrects what is recorded of the trash, and leaves alone what a purge will give back', async () => {
    const { db } = backend.database;
    const failed = await insertPurge({ state: 'failed', finishedAt: new Date() });
    const half = await insertPurge({ checkpoint: { measured: { bytes: 60, files: 3 }, entries: null } });
    for (const [id, size] of [
      [failed, 5],
      [half, 7],
      [uuidv7(), 11],
    ] as const) {
      await stage.volume.createTrash(stage.folderId, id);
      await writeFile(join(stage.folderRoot, 'trash', id, '0'), 'x'.repeat(size));
    }
    await db
      .update(folders)
      .set({ trashBytes: 1_000, trashFiles: 100 })
      .where(eq(folders.id, stage.folderId));
    const handlers = stage.handlers();
    const run = async (jobId: string) => runToEnd(backend, stage, { jobId, handlers });
    expect(await run(await request())).toMatchObject({
      state: 'succeeded',
      result: { trash: { before: { bytes: 1_000, files: 100 }, after: { bytes: 76, files: 5 } } },
    });
    expect(await countersOf(stage)).toMatchObject({ trash: [76, 5] });
    expect(await run(half)).toMatchObject({ state: 'succeeded' });
    expect(await requeuePurge(db, failed)).toBe(true);
    expect(await run(failed)).toMatchObject({
      state: 'succeeded',
      result: { freed: { bytes: 5, files: 1 } },
    });
    // What nobody owns is the sweeper's.
    expect(await countersOf(stage)).toMatchObject({ trash: [11, 1] });
    expect(await run(await request())).toMatchObject({
      result: { trash: { drift: { bytes: 0, files: 0 } } },
    });
  });

  it('writes nothing and comes back later each time when the folder never stands still', async () => {
    const { db } = backend.database;
    await writeFile(inData('f'), 'twelve bytes');
    let walks = 0;
    const handlers = stage.handlers({
      ...stage.volume,
      measure: async (...args: Parameters<typeof stage.volume.measure>) => {
        walks += 1;
        await db
          .update(folders)
          .set({ mutationSeq: sql`mutation_seq + 1` })
          .where(eq(folders.id, stage.folderId));
        return stage.volume.measure(...args);
      },
    });
    const dueIn = async () => {
      const [row] = await db.execute<{ minutes: string }>(sql`
        SELECT round(extract(epoch FROM usage_due_at - now()) / 60) AS minutes FROM folders
        WHERE id = ${stage.folderId}`);
      return Number(row?.minutes);
    };
    for (const minutes of [1, 2, 4]) {
      expect(await runToEnd(backend, stage, { jobId: await request(), handlers })).toMatchObject({
        state: 'succeeded',
        result: { after: { bytes: 12, files: 1 }, approximate: true },
      });
      expect(await dueIn()).toBe(minutes);
    }
    expect(walks).toBe(9);
    expect(await countersOf(stage)).toMatchObject({ used: [0, 0] });
    const calm = await runToEnd(backend, stage, { jobId: await request(), handlers: stage.handlers() });
    expect(calm.result).not.toHaveProperty('approximate');
    expect(await countersOf(stage)).toMatchObject({ used: [12, 1] });
    expect(await dueIn()).toBeGreaterThan(20 * 60);
  });

  it('collapses requests for a folder that still waits', async () => {
    const ids = await Promise.all([measure(), measure(), measure()]);
    expect(new Set(ids).size).toBe(1);
    await stage.start();
    await stage.jobs.ended(ids[0] ?? '');
    expect(await measure()).not.toBe(ids[0]);
  });

  it('refuses a folder that is gone', async () => {
    await backend.database.db.update(folders).set({ state: 'deleted' }).where(eq(folders.id, stage.folderId));
    await stage.start();
    expect(await stage.jobs.ended(await measure())).toMatchObject({
      state: 'failed',
      errorCode: 'not_found',
    });
  });
});
