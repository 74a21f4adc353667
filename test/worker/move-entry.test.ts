import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { claimPaths } from '../../db/queries/path-claims.ts';
import { members } from '../../db/schema/members.ts';
import { pathClaims } from '../../db/schema/path-claims.ts';
import { domainError } from '../../domain/errors.ts';
import { withFaults } from '../storage/faulty-volume.ts';
import { describeEachBackend } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { countersOf, makeWorkStage, type WorkStage } from './work-stage.ts';

describeEachBackend('moving an entry', (backend) => {
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

  async function ask(from: string, to: string): Promise<string> {
    const { folderId, ownerId: actorId } = stage;
    const payload = { from, to, into: true };
    const job = { kind: 'entry.move', payload, volume: 'local', folderId, actorId } as const;
    const id = await stage.client.enqueue(backend.database.db, job);
    stage.dispatch(id);
    return id;
  }

  const claims = () =>
    backend.database.db.select().from(pathClaims).where(eq(pathClaims.folderId, stage.folderId));

  it('ends well with the effect of once when the volume fails before or after it moved', async () => {
    const error = domainError('volume_unavailable', 'Pulled the plug.');
    const faulty = withFaults(stage.volume, [
      { verb: 'resumeMove', nth: 1, error },
      { verb: 'resumeMove', nth: 2, error, isAfterEffect: true },
    ]);
    await stage.start(faulty.volume);
    await put({ 'd/x': 'one', 'to/y': 'two' });
    const id = await ask('d', 'to');
    expect(await stage.jobs.ended(id)).toMatchObject({ state: 'succeeded', result: { path: 'to/d' } });
    expect(faulty.struck).toHaveLength(2);
    expect(await stage.read('to/d/x')).toBe('one');
    expect(await readdir(join(stage.folderRoot, 'data'))).toEqual(['to']);
    expect(await countersOf(stage)).toMatchObject({ used: [6, 2] });
    expect(await claims()).toEqual([]);
  });

  it('waits for whoever changes one of the names, then moves what is there', async () => {
    await stage.start();
    await put({ a: 'first' });
    const { db } = backend.database;
    const { folderId } = stage;
    const holder = uuidv7();
    const job = { id: holder, kind: 'usage.measure', payload: {}, volume: 'local', folderId } as const;
    await stage.client.enqueue(db, { ...job, actorId: null, holdMs: 600_000 });
    expect(await db.transaction((tx) => claimPaths(tx, { folderId, jobId: holder, paths: ['a'] }))).toBe(
      'claimed',
    );
    const id = await ask('a', 'b');
    await eventually(async () => {
      expect(await stage.jobs.find(id)).toMatchObject({ state: 'running' });
    });
    expect(await stage.read('a')).toBe('first');
    await db.delete(pathClaims).where(eq(pathClaims.jobId, holder));
    expect(await stage.jobs.ended(id)).toMatchObject({ state: 'succeeded' });
    expect([await stage.read('a'), await stage.read('b')]).toEqual([null, 'first']);
  });

  it('moves nothing for somebody who may no longer write', async () => {
    await stage.start();
    await put({ a: 'first' });
    await backend.database.db.delete(members).where(eq(members.folderId, stage.folderId));
    expect(await stage.jobs.ended(await ask('a', 'b'))).toMatchObject({
      state: 'failed',
      errorCode: 'not_found',
    });
    expect(await stage.read('a')).toBe('first');
    expect(await claims()).toEqual([]);
  });
});
