import { appendFile, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { reserveCopy } from '../../db/queries/copies.ts';
import { copies } from '../../db/schema/copies.ts';
import { folders } from '../../db/schema/folders.ts';
import { pathClaims } from '../../db/schema/path-claims.ts';
import { domainError } from '../../domain/errors.ts';
import { withFaults } from '../storage/faulty-volume.ts';
import { describeEachBackend } from '../support/backends.ts';
import { countersOf, makeWorkStage, type WorkStage } from './work-stage.ts';

describeEachBackend('copying inside a folder', (backend) => {
  let stage: WorkStage;
  beforeEach(async () => {
    stage = await makeWorkStage(backend, { quotaBytes: 100, quotaFiles: 10 });
  });
  afterEach(() => stage.close());

  async function put(files: Readonly<Record<string, string>>): Promise<void> {
    const { jobId } = await stage.stageUpload(files);
    stage.dispatch(jobId);
    expect(await stage.jobs.ended(jobId)).toMatchObject({ state: 'succeeded' });
  }

  async function ask(from: string, to: string): Promise<string> {
    const { folderId, ownerId: actorId } = stage;
    const payload = { from, to, into: true };
    const job = { kind: 'entries.copy', payload, volume: 'local', folderId, actorId } as const;
    return stage.client.enqueue(backend.database.db, job);
  }

  async function run(from: string, to: string) {
    const id = await ask(from, to);
    stage.dispatch(id);
    return stage.jobs.ended(id);
  }

  /** Nothing is held any more, and nothing is staged. */
  async function expectAtRest(): Promise<void> {
    const { db } = backend.database;
    expect(await db.select().from(copies).where(eq(copies.folderId, stage.folderId))).toEqual([]);
    expect(await db.select().from(pathClaims).where(eq(pathClaims.folderId, stage.folderId))).toEqual([]);
    expect(await readdir(join(stage.folderRoot, 'stage'))).toEqual([]);
    expect((await countersOf(stage)).reserved).toEqual([0, 0]);
  }

  it('shows the copy whole and counts it to the byte', async () => {
    await stage.start();
    await put({ 'd/x': 'one', 'd/e/y': 'four' });
    await symlink('/etc', join(stage.folderRoot, 'data', 'd', 'link'));
    expect(await run('d', 'copy')).toMatchObject({
      state: 'succeeded',
      result: {
        path: 'copy',
        bytes: 7,
        files: 2,
        skipped: [{ path: 'd/link', reason: 'symlink' }],
        skipped_count: 1,
      },
    });
    expect([await stage.read('copy/x'), await stage.read('copy/e/y')]).toEqual(['one', 'four']);
    expect((await countersOf(stage)).used).toEqual([14, 4]);
    await expectAtRest();
  });

  it.each([
    ['bytes', { 'd/x': 'x'.repeat(51) }],
    ['files', { 'd/1': '', 'd/2': '', 'd/3': '', 'd/4': '', 'd/5': '', 'd/6': '' }],
  ])('copies nothing when the %s do not fit, and holds nothing', async (_what, files) => {
    await stage.start();
    await put(files);
    const before = await countersOf(stage);
    expect(await run('d', 'copy')).toMatchObject({ state: 'failed', errorCode: 'quota_exceeded' });
    expect(await countersOf(stage)).toEqual(before);
    expect(await readdir(join(stage.folderRoot, 'data'))).toEqual(['d']);
    await expectAtRest();
  });

  it('reserves what the source grew by while it was copied, or refuses the copy', async () => {
    const grown = { ...stage.volume };
    const source = join(stage.folderRoot, 'data', 'd');
    let added = 'x'.repeat(10);
    const copyTree: typeof stage.volume.copyTree = async (...args) => {
      await writeFile(join(source, 'z'), added);
      return stage.volume.copyTree(...args);
    };
    await stage.start({ ...grown, copyTree });
    await put({ 'd/x': 'one' });
    expect(await run('d', 'copy')).toMatchObject({ state: 'succeeded', result: { bytes: 13, files: 2 } });
    await expectAtRest();
    added = 'x'.repeat(90);
    expect(await run('d', 'more')).toMatchObject({ state: 'failed', errorCode: 'quota_exceeded' });
    await expectAtRest();
    expect((await countersOf(stage)).used).toEqual([16, 3]);
  });

  it('ends well with the effect of once, whichever call to the volume fails first', async () => {
    const error = domainError('volume_unavailable', 'Pulled the plug.');
    const verbs = ['copyTree', 'statStage', 'publishTree'] as const;
    const faults = verbs.flatMap((verb) => [
      { verb, nth: 1, error },
      { verb, nth: 2, error, isAfterEffect: true },
    ]);
    const faulty = withFaults(stage.volume, faults);
    await stage.start(faulty.volume);
    const { db } = backend.database;
    await put({ 'd/x': 'one', 'd/e/y': 'four' });
    expect(await run('d', 'copy')).toMatchObject({ state: 'succeeded', result: { bytes: 7, files: 2 } });
    expect(faulty.struck).toHaveLength(faults.length);
    expect([await stage.read('copy/x'), await stage.read('copy/e/y')]).toEqual(['one', 'four']);
    expect((await countersOf(stage)).used).toEqual([14, 4]);
    await expectAtRest();
    const [row] = await db.select().from(folders).where(eq(folders.id, stage.folderId));
    expect(row).toMatchObject({ usedBytes: 14, usedFiles: 4 });
  });

  it('goes on with what a dead run left in staging, and counts what the source no longer has', async () => {
    const { db } = backend.database;
    await stage.start();
    await put({ 'd/x': 'one', 'd/y': 'four' });
    const id = await ask('d', 'copy');
    const tree = join(stage.folderRoot, 'stage', id);
    await mkdir(tree);
    await writeFile(join(tree, 'gone'), '12345');
    await writeFile(join(tree, 'x'), 'on');
    await reserveCopy(db, { jobId: id, folderId: stage.folderId }, { bytes: 12, files: 3, directories: 0 });
    stage.dispatch(id);
    expect(await stage.jobs.ended(id)).toMatchObject({ state: 'succeeded', result: { bytes: 12, files: 3 } });
    expect([await stage.read('copy/x'), await stage.read('copy/gone')]).toEqual(['one', '12345']);
    expect((await countersOf(stage)).used).toEqual([19, 5]);
    await expectAtRest();
  });

  it('gives back what a cancelled copy held', async () => {
    const { db } = backend.database;
    let isCopying = (): void => undefined;
    const copying = new Promise<void>((resolve) => {
      isCopying = resolve;
    });
    const copyTree: typeof stage.volume.copyTree = async (folderId, target, entries, options) => {
      await stage.volume.copyTree(folderId, target, entries, options);
      isCopying();
      await new Promise((_resolve, reject) => {
        options.signal?.addEventListener('abort', () => reject(options.signal?.reason));
      });
      throw new Error('never reached');
    };
    await stage.start({ ...stage.volume, copyTree });
    await put({ 'd/x': 'one' });
    const id = await ask('d', 'copy');
    stage.dispatch(id);
    await copying;
    expect((await countersOf(stage)).reserved).toEqual([3, 1]);
    expect(await stage.client.cancel(id)).toMatchObject({ state: 'cancelled' });
    await expectAtRest();
    expect(await db.select().from(copies)).toEqual([]);
  });

  it('frees by schedule what a copy held that could not give it back itself', async () => {
    const { db } = backend.database;
    const faulty = withFaults(stage.volume, [
      { verb: 'discardTree', nth: 1, error: domainError('volume_unavailable', 'Pulled the plug.') },
    ]);
    await stage.start(faulty.volume);
    await put({ 'd/x': 'one' });
    const id = await ask('d', 'copy');
    await reserveCopy(db, { jobId: id, folderId: stage.folderId }, { bytes: 90, files: 1, directories: 0 });
    await mkdir(join(stage.folderRoot, 'stage', id));
    await appendFile(join(stage.folderRoot, 'data', 'd', 'x'), 'x'.repeat(200));
    stage.dispatch(id);
    expect(await stage.jobs.ended(id)).toMatchObject({ state: 'failed', errorCode: 'quota_exceeded' });
    expect((await countersOf(stage)).reserved).toEqual([90, 1]);
    const expire = {
      kind: 'uploads.expire',
      payload: {},
      volume: 'local',
      folderId: null,
      actorId: null,
    } as const;
    const expireId = await stage.client.enqueue(db, expire);
    stage.dispatch(expireId);
    expect(await stage.jobs.ended(expireId)).toMatchObject({ state: 'succeeded', result: { copies: 1 } });
    await expectAtRest();
  });
});
