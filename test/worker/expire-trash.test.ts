import { eq, sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { markFolderTrashed } from '../../db/queries/folder-trash.ts';
import { folders } from '../../db/schema/folders.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { describeEachBackend } from '../support/backends.ts';
import { makeWorkStage, type WorkStage } from './work-stage.ts';

describeEachBackend('expiring the trash', (backend) => {
  let stage: WorkStage;
  beforeEach(async () => {
    stage = await makeWorkStage(backend);
  });
  afterEach(() => stage.close());

  async function run() {
    const job = {
      kind: 'trash.expire',
      payload: {},
      volume: 'local',
      folderId: null,
      actorId: null,
    } as const;
    const id = await stage.client.enqueue(backend.database.db, job);
    stage.dispatch(id);
    return stage.jobs.ended(id);
  }

  async function stateOf(): Promise<string | undefined> {
    const [row] = await backend.database.db.select().from(folders).where(eq(folders.id, stage.folderId));
    return row?.state;
  }

  it('leaves what can still be had back, and purges what cannot', async () => {
    const { db } = backend.database;
    const { folderId, ownerId: userId } = stage;
    await stage.start();
    expect(await markFolderTrashed(db, { folderId, userId, retentionDays: 1 })).toBe(true);
    expect(await markFolderTrashed(db, { folderId, userId, retentionDays: 1 })).toBe(false);
    expect(await run()).toMatchObject({ state: 'succeeded', result: { expired: 0 } });
    expect(await stateOf()).toBe('trashed');
    await db.update(folders).set({ purgeAt: sql`now()` }).where(eq(folders.id, folderId));
    expect(await run()).toMatchObject({ state: 'succeeded', result: { expired: 1 } });
    const found = await db.select().from(jobs).where(eq(jobs.folderId, folderId));
    const purge = found.find(({ kind }) => kind === 'folder.purge');
    expect(await stage.jobs.ended(purge?.id ?? '')).toMatchObject({ state: 'succeeded' });
    expect(await stateOf()).toBe('purged');
  });
});
