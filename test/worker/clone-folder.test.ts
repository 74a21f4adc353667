import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { insertFolder } from '../../db/queries/folders.ts';
import { countMemberFolders, findMemberFolder, insertMember } from '../../db/queries/members.ts';
import { folders } from '../../db/schema/folders.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { members } from '../../db/schema/members.ts';
import { domainError } from '../../domain/errors.ts';
import { withFaults } from '../storage/faulty-volume.ts';
import { describeEachBackend } from '../support/backends.ts';
import { makeWorkStage, type WorkStage } from './work-stage.ts';

describeEachBackend('cloning a folder', (backend) => {
  let stage: WorkStage;
  beforeEach(async () => {
    stage = await makeWorkStage(backend);
  });
  afterEach(() => stage.close());

  async function put(files: Readonly<Record<string, string>>): Promise<void> {
    const { jobId } = await stage.stageUpload(files);
    stage.dispatch(jobId);
    expect(await stage.jobs.ended(jobId)).toMatchObject({ state: 'succeeded' });
  }

  /** Does what the API does. */
  async function ask(limits = { quotaBytes: 100, quotaFiles: 10 }): Promise<{ id: string; jobId: string }> {
    const { db } = backend.database;
    const { ownerId: userId, folderId: sourceId } = stage;
    const id = uuidv7();
    await stage.volume.createFolder(id);
    await insertFolder(db, { id, ownerId: userId, volume: 'local', state: 'cloning', ...limits });
    await insertMember(db, { folderId: id, userId, name: `clone ${id}`, permission: 'rd', isOwner: true });
    const job = { kind: 'folder.clone', payload: { sourceId }, volume: 'local', folderId: id } as const;
    return { id, jobId: await stage.client.enqueue(db, { ...job, actorId: userId }) };
  }

  async function end(jobId: string) {
    stage.dispatch(jobId);
    return stage.jobs.ended(jobId);
  }

  const dataOf = (id: string) =>
    join(stage.folderRoot, '..', '..', '..', id.slice(-4, -2), id.slice(-2), id, 'data');

  async function rowOf(id: string) {
    const [row] = await backend.database.db.select().from(folders).where(eq(folders.id, id));
    return row;
  }

  const seen = (id: string) =>
    findMemberFolder(backend.database.db, { userId: stage.ownerId, name: '', folderId: id, right: 'read' });

  it('shows the folder once it is whole, with its usage, and not before', async () => {
    await stage.start();
    await put({ a: '1', 'd/e/b': '23' });
    const { id, jobId } = await ask();
    expect(await seen(id)).toBeNull();
    expect(await countMemberFolders(backend.database.db, stage.ownerId)).toBe(1);
    expect(await rowOf(id)).toMatchObject({ reservedBytes: 100, reservedFiles: 10 });
    expect(await end(jobId)).toMatchObject({
      state: 'succeeded',
      result: { bytes: 3, files: 2, skipped_count: 0 },
    });
    expect(await seen(id)).toMatchObject({ usedBytes: 3, usedFiles: 2, reservedBytes: 0, reservedFiles: 0 });
    expect(await readFile(join(dataOf(id), 'd/e/b'), 'utf8')).toBe('23');
  });

  it('goes on where a dead run stopped', async () => {
    await stage.start();
    await put({ a: '1', 'd/e/b': '23' });
    const { id, jobId } = await ask();
    await mkdir(join(dataOf(id), 'd'));
    await writeFile(join(dataOf(id), 'a'), 'half of something');
    expect(await end(jobId)).toMatchObject({ state: 'succeeded', result: { bytes: 3, files: 2 } });
    expect(await readFile(join(dataOf(id), 'a'), 'utf8')).toBe('1');
  });

  it('ends well when the volume fails before and after the copy', async () => {
    const error = domainError('volume_unavailable', 'Pulled the plug.');
    const faulty = withFaults(stage.volume, [
      { verb: 'copyTree', nth: 1, error },
      { verb: 'copyTree', nth: 2, error, isAfterEffect: true },
    ]);
    await stage.start(faulty.volume);
    await put({ a: '1' });
    const { id, jobId } = await ask();
    expect(await end(jobId)).toMatchObject({ state: 'succeeded' });
    expect(await seen(id)).toMatchObject({ usedBytes: 1, usedFiles: 1 });
  });

  it.each([
    ['bytes', { quotaBytes: 2, quotaFiles: 10 }],
    ['files', { quotaBytes: 100, quotaFiles: 1 }],
  ])('leaves nothing of a clone whose %s do not fit', async (_what, limits) => {
    const { db } = backend.database;
    await stage.start();
    await put({ a: '1', 'd/e/b': '23' });
    const { id, jobId } = await ask(limits);
    expect(await end(jobId)).toMatchObject({ state: 'failed', errorCode: 'quota_exceeded' });
    expect(await db.select().from(members).where(eq(members.folderId, id))).toEqual([]);
    const purges = await db.select().from(jobs).where(eq(jobs.folderId, id));
    const purge = purges.find(({ kind }) => kind === 'folder.purge');
    expect(await end(purge?.id ?? '')).toMatchObject({ state: 'succeeded' });
    expect(await rowOf(id)).toMatchObject({ state: 'purged', usedBytes: 0, reservedBytes: 0 });
    await expect(readdir(dataOf(id))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('shows nothing to somebody who lost the right to the source meanwhile', async () => {
    const { db } = backend.database;
    const copyTree: typeof stage.volume.copyTree = async (...args) => {
      const copied = await stage.volume.copyTree(...args);
      await db.delete(members).where(eq(members.folderId, stage.folderId));
      return copied;
    };
    await stage.start({ ...stage.volume, copyTree });
    await put({ a: '1' });
    const { id, jobId } = await ask();
    expect(await end(jobId)).toMatchObject({ state: 'failed', errorCode: 'not_found' });
    expect(await rowOf(id)).toMatchObject({ state: 'deleted' });
  });
});
