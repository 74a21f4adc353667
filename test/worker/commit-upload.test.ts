import { link, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { and, eq, sql } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listFileCrcs } from '../../db/queries/file-digests.ts';
import { noteReplaced } from '../../db/queries/upload-commits.ts';
import { fileDigests } from '../../db/schema/file-digests.ts';
import { folders } from '../../db/schema/folders.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { members } from '../../db/schema/members.ts';
import { pathClaims } from '../../db/schema/path-claims.ts';
import { domainError } from '../../domain/errors.ts';
import { stageIdOf } from '../../domain/upload-session.ts';
import { withFaults } from '../storage/faulty-volume.ts';
import { describeEachBackend } from '../support/backends.ts';
import { countersOf, entryPath, makeWorkStage, type WorkStage } from './work-stage.ts';

describeEachBackend('committing an upload', (backend) => {
  let stage: WorkStage;
  beforeEach(async () => {
    stage = await makeWorkStage(backend);
  });
  afterEach(() => stage.close());

  async function run(jobId: string) {
    stage.dispatch(jobId);
    return stage.jobs.ended(jobId);
  }

  it('makes every file visible and turns the reservation into usage', async () => {
    await stage.start();
    const { jobId } = await stage.stageUpload({ 'a.txt': 'alpha', 'd/e/b.txt': 'beta' });
    expect(await countersOf(stage)).toMatchObject({ used: [0, 0], reserved: [9, 2] });
    expect(await run(jobId)).toMatchObject({ state: 'succeeded' });
    expect([await stage.read('a.txt'), await stage.read('d/e/b.txt')]).toEqual(['alpha', 'beta']);
    expect(await countersOf(stage)).toEqual({ used: [9, 2], reserved: [0, 0], trash: [0, 0] });
    expect(await readdir(join(stage.folderRoot, 'stage'))).toEqual([]);
    expect(await backend.database.db.select().from(pathClaims)).toEqual([]);
  });

  it('counts an overwrite by the difference', async () => {
    await stage.start();
    await run((await stage.stageUpload({ 'a.txt': 'a long first version' })).jobId);
    await run((await stage.stageUpload({ 'a.txt': 'short' })).jobId);
    expect(await stage.read('a.txt')).toBe('short');
    expect(await countersOf(stage)).toMatchObject({ used: [5, 1], reserved: [0, 0] });
  });

  describe('over files with several names', () => {
    const inData = (path: string) => join(stage.folderRoot, 'data', path);

    async function measured() {
      const request = { kind: 'usage.measure', payload: {}, volume: 'local', actorId: null } as const;
      const id = await stage.client.enqueue(backend.database.db, { ...request, folderId: stage.folderId });
      stage.dispatch(id);
      return await stage.jobs.ended(id);
    }

    /** The usage, which a measurement right after it must not change. */
    async function usedAsMeasured() {
      const { used } = await countersOf(stage);
      expect(await measured()).toMatchObject({
        state: 'succeeded',
        result: { drift: { bytes: 0, files: 0 } },
      });
      return used;
    }

    it.each([
      ['a file of one name', 1, [3, 1]],
      ['one of two names', 2, [3 + 5, 2]],
    ] as const)('says that %s is replaced, and counts as measuring does', async (_what, names, used) => {
      await stage.start();
      await run((await stage.stageUpload({ a: 'alpha' })).jobId);
      if (names === 2) await link(inData('a'), inData('b'));
      const { jobId } = await stage.stageUpload({ a: 'new' });
      await backend.database.db
        .update(jobs)
        .set({ payload: sql`payload || '{"condition": {"ifExists": "replace"}}'` })
        .where(eq(jobs.id, jobId));
      expect(await run(jobId)).toMatchObject({ state: 'succeeded', result: { replaced: true } });
      expect(await stage.read('a')).toBe('new');
      if (names === 2) expect(await stage.read('b')).toBe('alpha');
      expect(await usedAsMeasured()).toEqual(used);
    });

    it('frees a file with the last of its names, and not before', async () => {
      await stage.start();
      await run((await stage.stageUpload({ a: 'alpha', e: 'eps' })).jobId);
      for (const name of ['b', 'c']) await link(inData('a'), inData(name));
      await run((await stage.stageUpload({ a: '1', e: '2' })).jobId);
      expect(await usedAsMeasured()).toEqual([1 + 1 + 5, 3]);
      await run((await stage.stageUpload({ b: '3', c: '4', d: '5' })).jobId);
      expect(await usedAsMeasured()).toEqual([5, 5]);
    });
  });

  it('notes the checksums of what landed, and forgets those of what it replaced', async () => {
    const { db } = backend.database;
    const crcs = async (paths: readonly string[]) => {
      const stats = await Promise.all(
        paths.map((path) => stage.volume.stat(stage.folderId, entryPath(path))),
      );
      const files = stats.flatMap((stat) => (stat === null ? [] : [stat]));
      const found = await listFileCrcs(db, { folderId: stage.folderId, files });
      return files.map(({ version }) => found.get(version));
    };
    await stage.start();
    await run((await stage.stageUpload({ 'a.txt': 'alpha', 'd/b.txt': 'beta' })).jobId);
    expect(await crcs(['a.txt', 'd/b.txt'])).toEqual([crc32('alpha'), crc32('beta')]);
    await run((await stage.stageUpload({ 'a.txt': 'ALPHA', 'c.txt': '' })).jobId);
    expect(await crcs(['a.txt', 'd/b.txt', 'c.txt'])).toEqual([crc32('ALPHA'), crc32('beta'), 0]);
    const kept = await db.select().from(fileDigests).where(eq(fileDigests.folderId, stage.folderId));
    expect(kept).toHaveLength(3);
    await writeFile(join(stage.folderRoot, 'data', 'a.txt'), 'by a container');
    expect(await crcs(['a.txt'])).toEqual([undefined]);
  });

  it('settles once when an earlier run died between the rename and the end', async () => {
    const { uploadId, jobId } = await stage.stageUpload({ 'a.txt': 'alpha', 'b.txt': 'be' });
    const { db } = backend.database;
    const notes = [0, 1].map((ordinal) => ({ ordinal, bytes: 0, files: 0 }));
    await db.update(jobs).set({ state: 'running' }).where(eq(jobs.id, jobId));
    const claim = { id: jobId, fence: 0 };
    expect(await noteReplaced(db, [{ claim, uploadId, notes }])).toEqual(new Set([jobId]));
    await db.update(jobs).set({ state: 'queued' }).where(eq(jobs.id, jobId));
    await stage.volume.commitStage(stage.folderId, stageIdOf(uploadId, 0), entryPath('a.txt'));
    await stage.start();
    expect(await run(jobId)).toMatchObject({ state: 'succeeded' });
    expect([await stage.read('a.txt'), await stage.read('b.txt')]).toEqual(['alpha', 'be']);
    expect(await countersOf(stage)).toMatchObject({ used: [7, 2], reserved: [0, 0] });
  });

  it('carries on after a storage error in the middle, without counting anything twice', async () => {
    let failures = 2;
    const faulty = {
      ...stage.volume,
      commitStage: async (...[folderId, stageId, path]: Parameters<typeof stage.volume.commitStage>) => {
        const outcome = await stage.volume.commitStage(folderId, stageId, path);
        failures -= 1;
        if (failures >= 0) throw domainError('volume_unavailable', 'The reply got lost.');
        return outcome;
      },
    };
    await stage.start(faulty);
    const { jobId } = await stage.stageUpload({ a: '1', b: '22', c: '333' });
    expect(await run(jobId)).toMatchObject({ state: 'succeeded' });
    expect(await countersOf(stage)).toMatchObject({ used: [6, 3], reserved: [0, 0] });
  });

  it('does not take a file that could not land for landed when the run that gave it up dies', async () => {
    let deaths = 1;
    const faulty = {
      ...stage.volume,
      // A container puts a directory in the place of the target after everything was looked at.
      commitStage: async (...[folderId, stageId, path]: Parameters<typeof stage.volume.commitStage>) => {
        if (path.at(-1) === 'taken')
          await mkdir(join(stage.folderRoot, 'data', 'taken'), { recursive: true });
        return stage.volume.commitStage(folderId, stageId, path);
      },
      discardStage: async (...args: Parameters<typeof stage.volume.discardStage>) => {
        await stage.volume.discardStage(...args);
        deaths -= 1;
        if (deaths >= 0) throw domainError('volume_unavailable', 'The reply got lost.');
      },
    };
    await stage.start(faulty);
    const { jobId } = await stage.stageUpload({ first: '1', taken: '22' });
    expect(await run(jobId)).toMatchObject({
      state: 'succeeded',
      result: { files: [{ path: 'first' }], failed: [{ path: 'taken', code: 'entry_conflict' }] },
    });
    expect(await countersOf(stage)).toEqual({ used: [1, 1], reserved: [0, 0], trash: [0, 0] });
  });

  const full = () => domainError('volume_full', 'Planned.');

  it('refuses the whole upload, and gives its room back, when the volume fills before anything is visible', async () => {
    const { volume } = withFaults(stage.volume, [{ verb: 'makeDirectory', nth: 2, error: full() }]);
    await stage.start(volume);
    const { jobId } = await stage.stageUpload({ 'd/a': '1', 'e/b': '22' });
    expect(await run(jobId)).toMatchObject({ state: 'failed', errorCode: 'volume_full', attempt: 0 });
    expect([await stage.read('d/a'), await stage.read('e/b')]).toEqual([null, null]);
    expect(await countersOf(stage)).toEqual({ used: [0, 0], reserved: [0, 0], trash: [0, 0] });
    expect(await readdir(join(stage.folderRoot, 'stage'))).toEqual([]);
  });

  it.each([false, true])(
    'goes forward when the volume fills half-way and has room again later (after the effect: %s)',
    async (isAfterEffect) => {
      const faults = [2, 3].map(
        (nth) => ({ verb: 'commitStage', nth, error: full(), isAfterEffect }) as const,
      );
      const { volume, struck } = withFaults(stage.volume, faults);
      await stage.start(volume);
      const { jobId } = await stage.stageUpload({ a: '1', b: '22', c: '333' });
      expect(await run(jobId)).toMatchObject({ state: 'succeeded', result: { failed: [] } });
      expect(struck.length).toBeGreaterThan(0);
      expect([await stage.read('a'), await stage.read('b'), await stage.read('c')]).toEqual([
        '1',
        '22',
        '333',
      ]);
      expect(await countersOf(stage)).toEqual({ used: [6, 3], reserved: [0, 0], trash: [0, 0] });
    },
  );

  it.each(['volume_full', 'volume_unavailable'] as const)(
    'settles what landed and names the rest when %s lasts to the last attempt',
    async (code) => {
      await stage.start({
        ...stage.volume,
        commitStage: async (...[folderId, stageId, path]: Parameters<typeof stage.volume.commitStage>) => {
          const name = path.at(-1);
          if (name === 'never') throw domainError(code, 'Planned.');
          const outcome = await stage.volume.commitStage(folderId, stageId, path);
          if (name === 'unsynced') throw domainError(code, 'Planned.');
          return outcome;
        },
      });
      await run((await stage.stageUpload({ landed: 'an older version' })).jobId);
      const { jobId } = await stage.stageUpload({ landed: '1', never: '22', unsynced: '333' });
      // As if all attempts but the last had failed.
      await backend.database.db.update(jobs).set({ attempt: 7 }).where(eq(jobs.id, jobId));
      const ended = await run(jobId);
      expect(ended).toMatchObject({ state: 'succeeded', result: { files: [{ path: 'landed' }] } });
      expect(ended.result).toMatchObject({
        failed: expect.arrayContaining([
          { path: 'never', code },
          { path: 'unsynced', code },
        ]),
      });
      expect([await stage.read('landed'), await stage.read('never'), await stage.read('unsynced')]).toEqual([
        '1',
        null,
        '333',
      ]);
      expect(await countersOf(stage)).toEqual({ used: [4, 2], reserved: [0, 0], trash: [0, 0] });
      expect(await readdir(join(stage.folderRoot, 'stage'))).toEqual([]);
    },
  );

  it.each([
    ['a directory', (path: string) => mkdir(path)],
    ['a symlink', (path: string) => symlink('/etc/passwd', path)],
  ])('refuses the whole upload when one target is %s', async (_kind, plant) => {
    await plant(join(stage.folderRoot, 'data', 'taken'));
    await stage.start();
    const { jobId } = await stage.stageUpload({ first: '1', taken: '22' });
    expect(await run(jobId)).toMatchObject({ state: 'failed', errorCode: 'entry_conflict' });
    expect(await stage.read('first')).toBeNull();
    expect(await countersOf(stage)).toEqual({ used: [0, 0], reserved: [0, 0], trash: [0, 0] });
    expect(await readdir(join(stage.folderRoot, 'stage'))).toEqual([]);
  });

  it('refuses when a parent of the target is a file', async () => {
    await writeFile(join(stage.folderRoot, 'data', 'file'), 'x');
    await stage.start();
    const { jobId } = await stage.stageUpload({ 'file/below': '1' });
    const job = await run(jobId);
    expect(job.state === 'failed' || JSON.stringify(job.result).includes('entry_conflict')).toBe(true);
    expect(await stage.read('file')).toBe('x');
  });

  it('refuses when the right to write is gone since the bytes were accepted', async () => {
    const { jobId } = await stage.stageUpload({ a: '1' });
    await backend.database.db
      .update(members)
      .set({ permission: 'ro', isOwner: false })
      .where(and(eq(members.folderId, stage.folderId), eq(members.userId, stage.ownerId)));
    await stage.start();
    expect(await run(jobId)).toMatchObject({ state: 'failed', errorCode: 'not_found' });
    expect(await stage.read('a')).toBeNull();
  });

  it('refuses when the folder was deleted since', async () => {
    const { jobId } = await stage.stageUpload({ a: '1' });
    await backend.database.db.update(folders).set({ state: 'deleted' }).where(eq(folders.id, stage.folderId));
    await stage.start();
    expect(await run(jobId)).toMatchObject({ state: 'failed', errorCode: 'not_found' });
  });

  it('serialises uploads to one path, and to paths above and below it', async () => {
    await stage.start();
    const same = await Promise.all(
      Array.from({ length: 12 }, (_, index) => stage.stageUpload({ same: 'x'.repeat(index + 1) })),
    );
    for (const { jobId } of same) stage.dispatch(jobId);
    const ended = await Promise.all(same.map(({ jobId }) => stage.jobs.ended(jobId)));
    expect(new Set(ended.map((job) => job.state))).toEqual(new Set(['succeeded']));
    const content = await stage.read('same');
    expect(await countersOf(stage)).toMatchObject({ used: [content?.length, 1], reserved: [0, 0] });
  });
});
