import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { insertFolder } from '../../db/queries/folders.ts';
import { insertMember } from '../../db/queries/members.ts';
import { claimPaths, noteClaimedEntries } from '../../db/queries/path-claims.ts';
import { takeDirectories } from '../../db/queries/usage.ts';
import { folders } from '../../db/schema/folders.ts';
import { domainError } from '../../domain/errors.ts';
import { folderDirectoriesLeast } from '../../domain/quota.ts';
import { measureRequest } from '../../jobs/measure-request.ts';
import { withFaults } from '../storage/faulty-volume.ts';
import { describeEachBackend } from '../support/backends.ts';
import { entryPath, makeWorkStage, type WorkStage } from './work-stage.ts';

describeEachBackend('counting directories', (backend) => {
  let stage: WorkStage;
  beforeEach(async () => {
    stage = await makeWorkStage(backend);
  });
  afterEach(() => stage.close());

  const held = async () => (await stage.usage()).directories;
  const leave = async (room: number) => {
    const directories = folderDirectoriesLeast - room;
    const { db } = backend.database;
    await db.update(folders).set({ directories }).where(eq(folders.id, stage.folderId));
    return directories;
  };
  const inData = (path: string) => join(stage.folderRoot, 'data', path);

  async function put(...paths: string[]) {
    const { jobId } = await stage.stageUpload(Object.fromEntries(paths.map((path) => [path, 'x'])));
    stage.dispatch(jobId);
    return stage.jobs.ended(jobId);
  }

  async function copy(from: string, to: string) {
    const { folderId, ownerId: actorId } = stage;
    const payload = { from, to, into: true };
    const job = { kind: 'entries.copy', payload, volume: 'local', folderId, actorId } as const;
    const id = await stage.client.enqueue(backend.database.db, job);
    stage.dispatch(id);
    return stage.jobs.ended(id);
  }

  async function measure() {
    const request = measureRequest(stage.folderId, 'local', stage.ownerId);
    return stage.jobs.ended(await stage.jobs.submit(stage.client, request));
  }

  async function purge(path: string) {
    const { folderId, client, volume } = stage;
    const jobId = uuidv7();
    const identity = (await volume.stat(folderId, entryPath(path)))?.identity ?? '';
    await backend.database.db.transaction(async (tx) => {
      const job = { id: jobId, kind: 'trash.purge', payload: { trashId: jobId }, actorId: null } as const;
      await client.enqueue(tx, { ...job, volume: 'local', folderId });
      await claimPaths(tx, { folderId, jobId, paths: [path] });
      await noteClaimedEntries(tx, { folderId, jobId, entries: [{ path, slot: 0, identity }] });
    });
    stage.dispatch(jobId);
    return stage.jobs.ended(jobId);
  }

  it('counts every directory that an upload makes, once, and none that is there', async () => {
    await stage.start();
    await put('a/b/c/one', 'a/b/two', 'a/d/three', 'four');
    expect(await held()).toBe(4);
    await put('a/b/c/one', 'a/five', 'six');
    expect(await held()).toBe(4);
    await put('e/seven');
    expect(await held()).toBe(5);
    expect(await measure()).toMatchObject({ result: { directories: { before: 5, after: 5, drift: 0 } } });
  });

  it('counts directories once that several uploads make at a time', async () => {
    await stage.start();
    const ends = await Promise.all(
      Array.from({ length: 12 }, (_, index) => put(`p/q/${index % 3}/${index}`)),
    );
    expect(ends.map(({ state }) => state)).toEqual(ends.map(() => 'succeeded'));
    expect(await held()).toBe(5);
  });

  // A refused upload has the folder measured, so a count that was made up does not last beyond the first refusal.
  it('takes an upload where directories are, and refuses one that needs more than there may be', async () => {
    await stage.start();
    await mkdir(inData('there/is'), { recursive: true });
    await leave(2);
    expect(await put('a/b/one')).toMatchObject({ state: 'succeeded' });
    expect(await put('there/is/two')).toMatchObject({ state: 'succeeded' });
    expect(await held()).toBe(folderDirectoriesLeast);
    expect(await put('c/one', 'there/is/three')).toMatchObject({
      state: 'failed',
      errorCode: 'quota_exceeded',
    });
    expect(await readdir(inData(''))).toEqual(['a', 'there']);
    expect(await readdir(inData('there/is'))).toEqual(['two']);
    expect(await readdir(join(stage.folderRoot, 'stage'))).toEqual([]);
  });

  it('grants no more than there may be, however many ask at the same time', async () => {
    await leave(5);
    const { db } = backend.database;
    const asked = Array.from({ length: 12 }, () => takeDirectories(db, stage.folderId, 2));
    expect((await Promise.all(asked)).filter((isGranted) => isGranted)).toHaveLength(2);
    expect(await held()).toBe(folderDirectoriesLeast - 1);
  });

  it('keeps the count right when an attempt fails behind the directories it made', async () => {
    const faulty = withFaults(stage.volume, [
      { verb: 'commitStage', nth: 1, error: domainError('volume_unavailable', 'planted') },
    ]);
    await stage.start(faulty.volume);
    expect(await put('a/b/one', 'c/two')).toMatchObject({ state: 'succeeded' });
    expect(await held()).toBe(3);
  });

  it('counts a copied tree with its root, and refuses one that does not fit, holding nothing', async () => {
    await stage.start();
    await put('a/b/c/one');
    expect(await copy('a', 'copy')).toMatchObject({ state: 'succeeded', result: { files: 1 } });
    expect(await held()).toBe(6);
    const before = await leave(2);
    expect(await copy('a', 'other')).toMatchObject({ state: 'failed', errorCode: 'quota_exceeded' });
    expect(await held()).toBe(before);
    expect(await readdir(join(stage.folderRoot, 'stage'))).toEqual([]);
    expect(await copy('a/b', 'other')).toMatchObject({ state: 'succeeded' });
    expect(await held()).toBe(folderDirectoriesLeast);
  });

  it('counts directories that are in the trash until they are purged', async () => {
    await stage.start();
    await put('a/b/one', 'c/two');
    expect(await held()).toBe(3);
    expect(await purge('a')).toMatchObject({ state: 'succeeded', result: { freed: { bytes: 1, files: 1 } } });
    expect(await held()).toBe(1);
  });

  it('measures what containers made and removed, what lies in the trash, and what copies hold', async () => {
    await stage.start();
    await mkdir(inData('x/y/z'), { recursive: true });
    const trashId = uuidv7();
    await stage.volume.createTrash(stage.folderId, trashId);
    await mkdir(join(stage.folderRoot, 'trash', trashId, '0', 'deep'), { recursive: true });
    expect(await measure()).toMatchObject({ result: { directories: { before: 0, after: 5, drift: 5 } } });
    expect(await held()).toBe(5);
    await rm(inData('x/y'), { recursive: true });
    await measure();
    expect(await held()).toBe(3);
  });

  it('bounds the directories of a clone, and counts them', async () => {
    const { db } = backend.database;
    await mkdir(inData('a/b/c'), { recursive: true });
    const { ownerId: userId, folderId: sourceId } = stage;
    const id = uuidv7();
    await stage.volume.createFolder(id);
    const limits = { quotaBytes: 10, quotaFiles: 1 };
    await insertFolder(db, { id, ownerId: userId, volume: 'local', state: 'cloning', ...limits });
    await insertMember(db, { folderId: id, userId, name: 'clone', permission: 'rd', isOwner: true });
    const job = { kind: 'folder.clone', payload: { sourceId }, volume: 'local', folderId: id } as const;
    const jobId = await stage.client.enqueue(db, { ...job, actorId: userId });
    await stage.start();
    stage.dispatch(jobId);
    expect(await stage.jobs.ended(jobId)).toMatchObject({ state: 'succeeded' });
    const [row] = await db.select().from(folders).where(eq(folders.id, id));
    expect(row).toMatchObject({ state: 'active', directories: 3 });
  });
});
