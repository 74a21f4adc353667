import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { eq, sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { reserveUpload } from '../../db/queries/uploads.ts';
import { findFolderUsage } from '../../db/queries/usage.ts';
import { uploads } from '../../db/schema/uploads.ts';
import { domainError } from '../../domain/errors.ts';
import { stageIdOf } from '../../domain/upload-session.ts';
import { describeEachBackend } from '../support/backends.ts';
import { insertTestFolder } from '../support/factories.ts';
import { countersOf, makeWorkStage, type WorkStage } from './work-stage.ts';

describeEachBackend('expiring uploads', (backend) => {
  let stage: WorkStage;
  beforeEach(async () => {
    stage = await makeWorkStage(backend);
  });
  afterEach(() => stage.close());

  /** An upload whose API process died with one file staged. */
  async function abandon(folderId: string): Promise<void> {
    const { db } = backend.database;
    const id = uuidv7();
    const amount = { bytes: 5, files: 2 };
    expect(await reserveUpload(db, { id, folderId, actorId: stage.ownerId, amount })).toBe(true);
    const writer = await stage.volume.createStage(folderId, stageIdOf(id, 1));
    await writer.write(Buffer.from('12345'));
    await writer.finish();
    await db.update(uploads).set({ leaseUntil: sql`now() - interval '1 second'` }).where(eq(uploads.id, id));
  }

  async function expire() {
    const id = await stage.jobs.submit(stage.client, { kind: 'uploads.expire', payload: {} });
    return stage.jobs.ended(id);
  }

  it('removes the staged files, then gives their reservation back', async () => {
    await abandon(stage.folderId);
    await stage.start();
    expect(await expire()).toMatchObject({ state: 'succeeded', result: { expired: 1 } });
    expect(await countersOf(stage)).toMatchObject({ used: [0, 0], reserved: [0, 0] });
    expect(await readdir(join(stage.folderRoot, 'stage'))).toEqual([]);
  });

  it('frees the uploads of every other folder when those of one cannot be cleaned up', async () => {
    const { db } = backend.database;
    const { id: damagedId } = await insertTestFolder(db, { ownerId: stage.ownerId });
    await stage.volume.createFolder(damagedId);
    for (const folderId of [damagedId, stage.folderId, damagedId]) await abandon(folderId);
    await stage.start({
      ...stage.volume,
      discardStage: async (folderId: string, stageId: string) => {
        if (folderId === damagedId) throw domainError('entry_conflict', 'Not today.');
        await stage.volume.discardStage(folderId, stageId);
      },
    });
    expect(await expire()).toMatchObject({ state: 'failed' });
    expect(await countersOf(stage)).toMatchObject({ reserved: [0, 0] });
    expect(await findFolderUsage(db, damagedId)).toMatchObject({ reservedBytes: 10, reservedFiles: 4 });
  });
});
