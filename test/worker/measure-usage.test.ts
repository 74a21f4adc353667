import { link, mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { folders } from '../../db/schema/folders.ts';
import { measureRequest } from '../../jobs/measure-request.ts';
import { describeEachBackend } from '../support/backends.ts';
import { countersOf, makeWorkStage, type WorkStage } from './work-stage.ts';

describeEachBackend('measuring usage', (backend) => {
  let stage: WorkStage;
  beforeEach(async () => {
    stage = await makeWorkStage(backend);
  });
  afterEach(() => stage.close());

  const measure = () =>
    stage.jobs.submit(stage.client, measureRequest(stage.folderId, 'local', stage.ownerId));
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
