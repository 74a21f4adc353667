import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { and, eq } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { folders } from '../../db/schema/folders.ts';
import { members } from '../../db/schema/members.ts';
import { openPosixVolume, type PosixVolume } from '../../storage/posix/posix-volume.ts';
import { makeHandlers } from '../../worker/handlers.ts';
import { describeEachBackend } from '../support/backends.ts';
import { insertTestFolder, insertTestMember, insertTestUser } from '../support/factories.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { entryPath, makeWorkStage, type WorkStage } from './work-stage.ts';

describeEachBackend('copying from another folder', (backend) => {
  let stage: WorkStage;
  let dir: TempDir;
  let far: PosixVolume;
  let reader: string;
  beforeEach(async () => {
    stage = await makeWorkStage(backend);
    dir = await createTempDir();
    far = await openPosixVolume({ name: 'far', root: dir.path });
    reader = await insertTestUser(backend.database.db);
  });
  afterEach(async () => {
    await stage.close();
    await dir.remove();
  });

  /** The consumer has both volumes, as the worker of an installation with two of them. */
  async function start(local = stage.volume): Promise<void> {
    const { jobs, client } = stage;
    const volumes = new Map([
      ['local', local],
      ['far', far],
    ]);
    const handlers = makeHandlers({ db: backend.database.db, volumes, jobs: client, logger: jobs.log });
    await jobs.openConsumer(client, handlers);
    const { jobId } = await stage.stageUpload({ 'd/x': 'one', 'd/e/y': 'four' });
    client.dispatch([jobId]);
    await jobs.ended(jobId);
  }

  /** A folder of the reader to copy into, on the volume whose queue is served. */
  async function makeTarget(quota: { readonly quotaBytes?: number; readonly quotaFiles?: number } = {}) {
    const { id } = await insertTestFolder(backend.database.db, { ownerId: reader, ...quota });
    await stage.volume.createFolder(id);
    return id;
  }

  async function allow(folderId = stage.folderId): Promise<void> {
    const member = { folderId, userId: reader, name: 'read', permission: 'ro' } as const;
    await insertTestMember(backend.database.db, member);
  }

  async function run(folderId: string, from: string, sourceId = stage.folderId) {
    const payload = { from, to: '', into: true, sourceId };
    const job = { kind: 'entries.copy', payload, volume: 'local', folderId, actorId: reader } as const;
    const id = await stage.client.enqueue(backend.database.db, job);
    stage.client.dispatch([id]);
    return stage.jobs.ended(id);
  }

  const rootOf = (id: string) => join(stage.folderRoot, '..', '..', '..', id.slice(-4, -2), id.slice(-2), id);

  async function countersOf(id: string) {
    const [row] = await backend.database.db.select().from(folders).where(eq(folders.id, id));
    return [row?.usedBytes, row?.usedFiles, row?.reservedBytes, row?.reservedFiles];
  }

  it('takes the right to read there and counts in the target alone', async () => {
    await start();
    const target = await makeTarget();
    await allow();
    const before = await countersOf(stage.folderId);
    expect(await run(target, 'd')).toMatchObject({
      state: 'succeeded',
      result: { path: 'd', bytes: 7, files: 2, skipped_count: 0 },
    });
    expect(await readFile(join(rootOf(target), 'data', 'd', 'e', 'y'), 'utf8')).toBe('four');
    expect(await countersOf(target)).toEqual([7, 2, 0, 0]);
    expect(await countersOf(stage.folderId)).toEqual(before);
    expect(await readdir(join(rootOf(target), 'stage'))).toEqual([]);
  });

  it('copies from a folder on another volume', async () => {
    await start();
    const { db } = backend.database;
    const { id: source } = await insertTestFolder(db, { ownerId: stage.ownerId, volume: 'far' });
    await far.createFolder(source);
    const walked = stage.volume.walk(stage.folderId, entryPath('d'), {});
    await far.copyTree(source, { area: 'data' }, walked, {
      admit: async () => undefined,
      onSkip: () => undefined,
    });
    await allow(source);
    const target = await makeTarget();
    expect(await run(target, 'd', source)).toMatchObject({ state: 'succeeded', result: { files: 2 } });
    expect(await readFile(join(rootOf(target), 'data', 'd', 'x'), 'utf8')).toBe('one');
  });

  it('gives a stranger nothing, not even whether it is there', async () => {
    await start();
    const target = await makeTarget();
    expect(await run(target, 'd')).toMatchObject({ state: 'failed', errorCode: 'not_found' });
    expect(await run(target, 'missing')).toMatchObject({ state: 'failed', errorCode: 'not_found' });
    expect(await readdir(join(rootOf(target), 'data'))).toEqual([]);
  });

  it('shows nothing when the right is taken away while it copies', async () => {
    const { db } = backend.database;
    const copyTree: typeof stage.volume.copyTree = async (...args) => {
      const copied = await stage.volume.copyTree(...args);
      const isReader = and(eq(members.folderId, stage.folderId), eq(members.userId, reader));
      await db.delete(members).where(isReader);
      return copied;
    };
    await start({ ...stage.volume, copyTree });
    const target = await makeTarget();
    await allow();
    expect(await run(target, 'd')).toMatchObject({ state: 'failed', errorCode: 'not_found' });
    expect(await countersOf(target)).toEqual([0, 0, 0, 0]);
    expect(await readdir(join(rootOf(target), 'data'))).toEqual([]);
    expect(await readdir(join(rootOf(target), 'stage'))).toEqual([]);
  });

  it.each([
    ['bytes', { quotaBytes: 6 }],
    ['files', { quotaFiles: 1 }],
  ])('holds the limit on %s of the target', async (_what, quota) => {
    await start();
    const target = await makeTarget(quota);
    await allow();
    expect(await run(target, 'd')).toMatchObject({ state: 'failed', errorCode: 'quota_exceeded' });
    expect(await countersOf(target)).toEqual([0, 0, 0, 0]);
    expect(await readdir(join(rootOf(target), 'data'))).toEqual([]);
  });
});
