import { eq } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { holdFolders, insertMountSession } from '../../db/queries/mounts.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { mountSessions } from '../../db/schema/mount-sessions.ts';
import { mounts } from '../../db/schema/mounts.ts';
import { outboxOnly } from '../../upkeep/outbox-only.ts';
import { expireMounts } from '../../worker/expire-mounts.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { insertTestFolder, insertTestUser } from '../support/factories.ts';

const signal = new AbortController().signal;
let database: TestDatabase;
let userId: string;
beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(async () => {
  await database.db.delete(mountSessions);
  await database.db.delete(jobs);
  userId = await insertTestUser(database.db);
});
afterAll(() => database?.close());

/** A session that mounts a new folder, for so long; at 0 it has lapsed. @returns the folder */
async function begin(leaseSeconds: number, isReadOnly = false): Promise<string> {
  const { db } = database;
  const { id: folderId, name } = await insertTestFolder(db, { ownerId: userId });
  const wanted = [{ folderId, name, alias: name, isReadOnly }];
  const session = { id: uuidv7(), userId, session: `s-${folderId}`, leaseSeconds, mounts: wanted };
  await db.transaction(async (tx) => {
    await holdFolders(tx, [folderId]);
    await insertMountSession(tx, session);
  });
  return folderId;
}

const expire = (batchesMax?: number) => {
  const options = batchesMax === undefined ? {} : { forgetBatchesMax: batchesMax };
  return expireMounts({ db: database.db, jobs: outboxOnly, ...options }, signal);
};
const asked = async () =>
  (await database.db.select().from(jobs)).map(({ kind, folderId }) => ({ kind, folderId }));

describe('sessions whose leases have lapsed', () => {
  it('are forgotten, and their folders counted unless they were only read; others stay', async () => {
    const lapsed = await begin(0);
    await begin(0, true);
    const live = await begin(300);
    expect(await expire()).toBe(2);
    expect((await database.db.select().from(mounts)).map(({ folderId }) => folderId)).toEqual([live]);
    expect(await asked()).toEqual([{ kind: 'usage.measure', folderId: lapsed }]);
    expect(await expire()).toBe(0);
  });

  it('are forgotten once by many at the same time, and a folder is counted once', async () => {
    const lapsed = await begin(0);
    const other = uuidv7();
    const again = { folderId: lapsed, name: 'a', alias: 'a', isReadOnly: false };
    await insertMountSession(database.db, {
      ...{ id: other, userId, session: 'again', leaseSeconds: 0 },
      mounts: [again],
    });
    const counts = await Promise.all([expire(), expire(), expire()]);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(2);
    expect(await asked()).toEqual([{ kind: 'usage.measure', folderId: lapsed }]);
  });

  it('are forgotten in batches, no more of them than asked for', async () => {
    const folderId = await begin(300);
    const gone = Array.from({ length: 130 }, (_, at) => ({ id: uuidv7(), session: `n${at}` }));
    await database.db
      .insert(mountSessions)
      .values(gone.map((one) => ({ ...one, userId, leaseSeconds: 60, expiresAt: new Date(0) })));
    await database.db.insert(mounts).values(
      gone.map(({ id }) => {
        return { sessionId: id, folderId, ordinal: 0, name: 'a', alias: 'a', isReadOnly: true };
      }),
    );
    expect(await expire(1)).toBe(100);
    expect(await expire()).toBe(30);
    const left = await database.db.select().from(mountSessions).where(eq(mountSessions.userId, userId));
    expect(left).toHaveLength(1);
  });
});
