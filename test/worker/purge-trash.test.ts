import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { claimPaths, noteClaimedEntries, retireClaims } from '../../db/queries/path-claims.ts';
import { requeuePurge } from '../../db/queries/sweep.ts';
import { folders } from '../../db/schema/folders.ts';
import { pathClaims } from '../../db/schema/path-claims.ts';
import { domainError } from '../../domain/errors.ts';
import { measureRequest } from '../../jobs/measure-request.ts';
import { withFaults } from '../storage/faulty-volume.ts';
import { describeEachBackend } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { runToEnd } from './run-now.ts';
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

  /** Does what the API does until it has taken the first `count` of `paths` out of view. */
  async function beginDelete(paths: readonly string[], count: number): Promise<string> {
    const { folderId, client, volume } = stage;
    const jobId = uuidv7();
    const found = await Promise.all(paths.map((path) => volume.stat(folderId, entryPath(path))));
    const entries = paths.map((path, slot) => ({ path, slot, identity: found[slot]?.identity ?? '' }));
    await backend.database.db.transaction(async (tx) => {
      await client.enqueue(tx, {
        id: jobId,
        kind: 'trash.purge',
        payload: { trashId: jobId },
        volume: 'local',
        folderId,
        actorId: stage.ownerId,
        holdMs: 3_600_000,
      });
      expect(await claimPaths(tx, { folderId, jobId, paths })).toBe('claimed');
      await noteClaimedEntries(tx, { folderId, jobId, entries });
    });
    await volume.createTrash(folderId, jobId);
    for (const { path, slot } of entries.slice(0, count)) {
      await volume.trashEntry(folderId, entryPath(path), jobId, slot);
    }
    return jobId;
  }

  /** Does what the API does up to its answer. */
  async function moveToTrash(path: string): Promise<string> {
    const jobId = await beginDelete([path], 1);
    const { folderId } = stage;
    await backend.database.db.transaction((tx) => retireClaims(tx, { folderId, jobId }));
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

  describe('after the request died', () => {
    const nothing = { used: [0, 0], reserved: [0, 0], trash: [0, 0] };

    async function upload(files: Readonly<Record<string, string>>): Promise<void> {
      expect(await run((await stage.stageUpload(files)).jobId)).toMatchObject({ state: 'succeeded' });
    }

    it.each([0, 1, 2, 3])('takes out what the request meant when it got to %i of 3 paths', async (count) => {
      await stage.start();
      await upload({ a: '1', 'd/e/b': '22', 'd/f': '3', c: '333' });
      const jobId = await beginDelete(['a', 'd', 'c'], count);
      expect(await run(jobId)).toMatchObject({
        state: 'succeeded',
        result: {
          freed: { bytes: 7, files: 4 },
          entries: ['a', 'd', 'c'].map((path) => ({ path, outcome: 'deleted' })),
        },
      });
      expect(await readdir(join(stage.folderRoot, 'data'))).toEqual([]);
      expect(await readdir(join(stage.folderRoot, 'trash'))).toEqual([]);
      expect(await countersOf(stage)).toEqual(nothing);
      expect(await backend.database.db.select().from(pathClaims)).toEqual([]);
    });

    it('leaves alone what containers put in the place of an entry, and gives back what was taken for it', async () => {
      await stage.start();
      await upload({ a: '1', b: '2', c: '3', d: '4' });
      const data = (name: string) => join(stage.folderRoot, 'data', name);
      const jobId = await beginDelete(['a', 'b', 'c', 'd'], 0);
      await rm(data('a'));
      await writeFile(data('new'), 'new');
      await rename(data('new'), data('b'));
      await writeFile(data('new'), 'newer');
      await rename(data('new'), data('c'));
      await stage.volume.trashEntry(stage.folderId, entryPath('c'), jobId, 2);
      expect(await run(jobId)).toMatchObject({
        state: 'succeeded',
        result: {
          entries: [
            { path: 'a', outcome: 'not_found' },
            { path: 'b', outcome: 'changed' },
            { path: 'c', outcome: 'changed' },
            { path: 'd', outcome: 'deleted' },
          ],
        },
      });
      expect([await stage.read('b'), await stage.read('c')]).toEqual(['new', 'newer']);
    });

    it('carries on when its own run dies at any call', async () => {
      await stage.start();
      for (const verb of ['sealTrash', 'statTrash', 'trashEntry', 'measureTrash', 'purgeTrash'] as const) {
        await upload({ a: '1', b: '22', c: '333' });
        const jobId = await beginDelete(['a', 'b', 'c'], 1);
        const error = domainError('volume_unavailable', 'Planned.');
        const { volume, struck } = withFaults(stage.volume, [
          { verb, nth: 1, error },
          { verb, nth: 2, error, isAfterEffect: true },
        ]);
        const job = await runToEnd(backend, stage, { jobId, handlers: stage.handlers(volume) });
        expect([verb, struck.length, job.state]).toEqual([verb, 2, 'succeeded']);
        expect(await readdir(join(stage.folderRoot, 'data'))).toEqual([]);
        expect(await countersOf(stage)).toEqual(nothing);
      }
    });

    it('does not touch what comes to the same name once it has let go of it, however late the request goes on', async () => {
      await stage.start();
      await upload({ a: '1', b: '22' });
      const jobId = await beginDelete(['a', 'b'], 1);
      const held = await open(join(stage.folderRoot, 'trash', jobId));
      expect(await run(jobId)).toMatchObject({
        state: 'succeeded',
        result: { freed: { bytes: 3, files: 2 } },
      });
      await upload({ b: 'newer' });
      const late = rename(join(stage.folderRoot, 'data', 'b'), `/proc/self/fd/${held.fd}/1`);
      await expect(late).rejects.toMatchObject({ code: 'ENOENT' });
      await held.close();
      expect(await stage.read('b')).toBe('newer');
      expect(await countersOf(stage)).toEqual({ ...nothing, used: [5, 1] });
    });
  });
});
