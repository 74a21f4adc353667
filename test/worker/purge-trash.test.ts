import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { claimPaths, retireClaims } from '../../db/queries/path-claims.ts';
import { requeuePurge } from '../../db/queries/sweep.ts';
import { folders } from '../../db/schema/folders.ts';
import { pathClaims } from '../../db/schema/path-claims.ts';
import { domainError } from '../../domain/errors.ts';
import { measureRequest } from '../../jobs/measure-request.ts';
import { describeEachBackend } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { countersOf, entryPath, makeWorkStage, type WorkStage } from './work-stage.ts';

describeEachBackend('purging trash', (backend) => {
  let stage: WorkStage;
  beforeEach(async () => {
    stage = await makeWorkStage(backend);
  });
  afterEach(() => stage.close());

  /** A tree of 3 files, 60 bytes, as if it had been uploaded. */
  async function plantTree(name: string) {
    const root = join(stage.folderRoot, 'data', name);
    await mkdir(join(root, 'deep', 'er'), { recursive: true });
    await Promise.all(
      ['a', 'deep/b', 'deep/er/c'].map((path, index) =>
        writeFile(join(root, path), 'x'.repeat(10 * (index + 1))),
      ),
    );
    await backend.database.db.update(folders).set({ usedBytes: 60, usedFiles: 3 });
  }

  /** Does what the API does up to its answer. */
  async function moveToTrash(path: string): Promise<string> {
    const { folderId, client } = stage;
    const jobId = uuidv7();
    const { db } = backend.database;
    await db.transaction(async (tx) => {
      const payload = { trashId: jobId };
      const actorId = stage.ownerId;
      await client.enqueue(tx, {
        id: jobId,
        kind: 'trash.purge',
        payload,
        volume: 'local',
        folderId,
        actorId,
      });
      expect(await claimPaths(tx, { folderId, jobId, paths: [path] })).toBe('claimed');
    });
    await stage.volume.createTrash(folderId, jobId);
    await stage.volume.trashEntry(folderId, entryPath(path), jobId, 0);
    await db.transaction((tx) => retireClaims(tx, { folderId, jobId }));
    return jobId;
  }

  async function run(jobId: string) {
    stage.dispatch(jobId);
    return stage.jobs.ended(jobId);
  }

  it('frees the bytes, then the usage, and lets go of the claims', async () => {
    await plantTree('tree');
    const jobId = await moveToTrash('tree');
    await stage.start();
    expect(await run(jobId)).toMatchObject({
      state: 'succeeded',
      result: { freed: { bytes: 60, files: 3 } },
    });
    expect(await countersOf(stage)).toEqual({ used: [0, 0], reserved: [0, 0], trash: [0, 0] });
    expect(await readdir(join(stage.folderRoot, 'trash'))).toEqual([]);
    expect(await backend.database.db.select().from(pathClaims)).toEqual([]);
  });

  it('accounts for the whole once when a run dies after freeing a part', async () => {
    await plantTree('tree');
    const jobId = await moveToTrash('tree');
    let failures = 2;
    await stage.start({
      ...stage.volume,
      purgeTrash: async (...args: Parameters<typeof stage.volume.purgeTrash>) => {
        const freed = await stage.volume.purgeTrash(...args);
        failures -= 1;
        if (failures >= 0) throw domainError('volume_unavailable', 'The reply got lost.');
        return freed;
      },
    });
    expect(await run(jobId)).toMatchObject({ state: 'succeeded' });
    expect(await countersOf(stage)).toEqual({ used: [0, 0], reserved: [0, 0], trash: [0, 0] });
  });

  it('keeps what it could not free counted as trash, and the sweeper sees it through', async () => {
    await plantTree('tree');
    const jobId = await moveToTrash('tree');
    let isBroken = true;
    await stage.start({
      ...stage.volume,
      purgeTrash: (...args: Parameters<typeof stage.volume.purgeTrash>) => {
        if (isBroken) throw domainError('entry_conflict', 'Not today.');
        return stage.volume.purgeTrash(...args);
      },
      // As if an hour had passed.
      listTrash: async (folderId: string) =>
        (await stage.volume.listTrash(folderId)).map(({ id }) => ({ id, modifiedAt: new Date(0) })),
    });
    expect(await run(jobId)).toMatchObject({ state: 'failed' });
    expect(await countersOf(stage)).toEqual({ used: [0, 0], reserved: [0, 0], trash: [60, 3] });
    isBroken = false;
    const sweep = await stage.jobs.submit(stage.client, { kind: 'storage.sweep', payload: {} });
    expect(await stage.jobs.ended(sweep)).toMatchObject({ state: 'succeeded' });
    expect(await stage.jobs.ended(jobId)).toMatchObject({ state: 'succeeded' });
    expect(await countersOf(stage)).toEqual({ used: [0, 0], reserved: [0, 0], trash: [0, 0] });
  });

  it('takes nothing from usage that a measurement took before it', async () => {
    await plantTree('tree');
    await writeFile(join(stage.folderRoot, 'data', 'stays'), 'x'.repeat(40));
    await backend.database.db.update(folders).set({ usedBytes: 100, usedFiles: 4 });
    const jobId = await moveToTrash('tree');
    let isBroken = true;
    await stage.start({
      ...stage.volume,
      measureTrash: (...args: Parameters<typeof stage.volume.measureTrash>) => {
        if (isBroken) throw domainError('entry_conflict', 'Not today.');
        return stage.volume.measureTrash(...args);
      },
    });
    expect(await run(jobId)).toMatchObject({ state: 'failed' });
    const measure = await stage.jobs.submit(stage.client, measureRequest(stage.folderId, 'local', null));
    expect(await stage.jobs.ended(measure)).toMatchObject({ state: 'succeeded' });
    expect(await countersOf(stage)).toMatchObject({ used: [40, 1] });
    isBroken = false;
    await requeuePurge(backend.database.db, jobId);
    expect(await run(jobId)).toMatchObject({ state: 'succeeded' });
    await eventually(async () => {
      expect(await countersOf(stage)).toEqual({ used: [40, 1], reserved: [0, 0], trash: [0, 0] });
    });
  });

  it('does not touch what was uploaded to the same name after the delete', async () => {
    await plantTree('tree');
    const jobId = await moveToTrash('tree');
    await stage.start();
    const { jobId: commit } = await stage.stageUpload({ 'tree/a': 'newer' });
    await Promise.all([run(commit), run(jobId)]);
    expect(await stage.read('tree/a')).toBe('newer');
    expect(await countersOf(stage)).toEqual({ used: [5, 1], reserved: [0, 0], trash: [0, 0] });
  });
});
