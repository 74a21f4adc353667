import { and, eq, sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { settleMeasure, startMeasure } from '../../db/queries/measure.ts';
import { endMountSession, insertMountSession } from '../../db/queries/mounts.ts';
import { folders } from '../../db/schema/folders.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { mountSessions } from '../../db/schema/mount-sessions.ts';
import { endAndCount } from '../../jobs/count-ended.ts';
import { measureRequest } from '../../jobs/measure-request.ts';
import { outboxOnly } from '../../upkeep/outbox-only.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { insertTestFolder, insertTestUser } from '../support/factories.ts';

let database: TestDatabase;
let userId: string;
beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  userId = await insertTestUser(database.db);
});
afterAll(() => database?.close());

async function begin(folderIds: readonly string[], isReadOnly = false): Promise<string> {
  const session = uuidv7();
  const mounts = folderIds.map((folderId) => ({ folderId, name: folderId, alias: folderId, isReadOnly }));
  await insertMountSession(database.db, { id: uuidv7(), userId, session, leaseSeconds: 300, mounts });
  return session;
}

const end = (session: string) =>
  endAndCount({ db: database.db, jobs: outboxOnly }, (tx) => endMountSession(tx, { userId, session }));

async function newFolder(): Promise<string> {
  return (await insertTestFolder(database.db, { ownerId: userId })).id;
}

async function isDue(folderId: string): Promise<boolean> {
  const due = and(eq(folders.id, folderId), sql`usage_due_at <= now()`);
  return (await database.db.$count(folders, due)) === 1;
}

async function countsOf(folderId: string): Promise<number> {
  return await database.db.$count(jobs, eq(jobs.folderId, folderId));
}

const found = { live: { bytes: 1, files: 1 }, trash: { bytes: 0, files: 0 }, directories: 0 };

describe('the end of a session that may have written', () => {
  it('voids a count that is under way', async () => {
    const folderId = await newFolder();
    const session = await begin([folderId]);
    const start = await startMeasure(database.db, folderId);
    const mutationSeq = start?.mutationSeq ?? -1;
    await end(session);
    expect(await settleMeasure(database.db, { folderId, mutationSeq, usage: found })).toBe(false);
    expect(await countsOf(folderId)).toBe(1);
  });

  it('has a folder counted again whose count was written, but not ended, so that no other was asked for', async () => {
    const folderId = await newFolder();
    const session = await begin([folderId]);
    const jobId = await outboxOnly.enqueue(database.db, measureRequest(folderId, 'local', null));
    await database.db.update(jobs).set({ state: 'running' }).where(eq(jobs.id, jobId));
    const start = await startMeasure(database.db, folderId);
    const mutationSeq = start?.mutationSeq ?? -1;
    expect(await settleMeasure(database.db, { folderId, mutationSeq, usage: found })).toBe(true);
    expect(await isDue(folderId)).toBe(false);
    await end(session);
    expect(await countsOf(folderId)).toBe(1);
    expect(await isDue(folderId)).toBe(true);
  });

  it('leaves a count in peace where the session could only read', async () => {
    const folderId = await newFolder();
    const session = await begin([folderId], true);
    const start = await startMeasure(database.db, folderId);
    await end(session);
    expect((await startMeasure(database.db, folderId))?.mutationSeq).toBe(start?.mutationSeq);
    expect(await countsOf(folderId)).toBe(0);
  });

  it('ends nothing when it is refused, and has counted nothing then', async () => {
    const folderId = await newFolder();
    const session = await begin([folderId]);
    const before = await startMeasure(database.db, folderId);
    const refused = endAndCount({ db: database.db, jobs: outboxOnly }, async (tx) => {
      await endMountSession(tx, { userId, session });
      throw new Error('refused');
    });
    await expect(refused).rejects.toThrow('refused');
    expect(await database.db.$count(mountSessions, eq(mountSessions.session, session))).toBe(1);
    expect(await startMeasure(database.db, folderId)).toEqual(before);
    expect(await countsOf(folderId)).toBe(0);
  });
});

it('sessions with the same folders in opposite order end at the same moment, over and over', async () => {
  for (let round = 0; round < 12; round += 1) {
    const ids = [await newFolder(), await newFolder()];
    const sessions = [await begin(ids), await begin(ids.toReversed())];
    const undone = new Error('undone');
    let ends: Promise<unknown> | undefined;
    // Somebody else asks for a count of one of them at the moment, and takes it back.
    const other = database.db.transaction(async (tx) => {
      await outboxOnly.enqueue(tx, measureRequest(ids[1 - (round % 2)] ?? '', 'local', null));
      ends = Promise.all(sessions.map(end));
      await eventually(async () => {
        const waiting = await database.db.execute(sql`
          SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`);
        expect(waiting).toHaveLength(2);
      });
      throw undone;
    });
    await expect(other).rejects.toBe(undone);
    await ends;
    for (const folderId of ids) expect(await countsOf(folderId)).toBe(1);
  }
});
