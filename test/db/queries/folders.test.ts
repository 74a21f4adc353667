import { eq, sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { markFolderTrashed } from '../../../db/queries/folder-trash.ts';
import {
  findFolderAllowance,
  insertFolder,
  lockFolderAllowance,
  lockLiveFolder,
  markFolderDeleted,
  updateFolderOwner,
} from '../../../db/queries/folders.ts';
import { insertMember, updateMemberOwnership } from '../../../db/queries/members.ts';
import { folders } from '../../../db/schema/folders.ts';
import { policies } from '../../../db/schema/policies.ts';
import { users } from '../../../db/schema/users.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { eventually } from '../../support/eventually.ts';
import { insertTestFolder, insertTestMember, insertTestUser } from '../../support/factories.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ connectionsMax: 20 });
});
afterAll(() => database.close());

describe('findFolderAllowance', () => {
  it('reads the limits of the user’s policy and counts live owned folders only', async () => {
    const { db } = database;
    await db
      .insert(policies)
      .values({ name: 'small', foldersMax: 3, folderBytesMax: 10, folderFilesMax: 2, volumes: ['a'] });
    const userId = await insertTestUser(db);
    await db.update(users).set({ policyName: 'small' }).where(eq(users.id, userId));
    await insertTestFolder(db, { ownerId: userId });
    const gone = await insertTestFolder(db, { ownerId: userId });
    await db.update(folders).set({ state: 'deleted' }).where(eq(folders.id, gone.id));
    const shared = await insertTestFolder(db, { ownerId: await insertTestUser(db) });
    await insertTestMember(db, { folderId: shared.id, userId, name: 'shared', permission: 'rd' });
    expect(await findFolderAllowance(db, userId)).toEqual({
      foldersMax: 3,
      folderBytesMax: 10,
      folderFilesMax: 2,
      foldersOwned: 1,
      volumes: ['a'],
    });
  });

  it('answers null for a user who does not exist', async () => {
    expect(await findFolderAllowance(database.db, uuidv7())).toBeNull();
  });
});

describe('lockFolderAllowance', () => {
  it('lets concurrent transactions of one user decide one after the other', async () => {
    const { db } = database;
    const ownerId = await insertTestUser(db);
    const insertBelow = (foldersMax: number) =>
      db.transaction(async (tx) => {
        const allowance = await lockFolderAllowance(tx, ownerId);
        if (allowance === null || allowance.foldersOwned >= foldersMax) return false;
        await insertFolder(tx, { id: uuidv7(), ownerId, volume: 'local', quotaBytes: 1, quotaFiles: 1 });
        return true;
      });
    const inserted = await Promise.all(Array.from({ length: 20 }, () => insertBelow(7)));
    expect(inserted.filter(Boolean)).toHaveLength(7);
  });

  it('exceeds the limit without the lock, so the test above can fail', async () => {
    const { db } = database;
    const ownerId = await insertTestUser(db);
    let counted = 0;
    let release = (): void => undefined;
    const allCounted = new Promise<void>((resolve) => {
      release = resolve;
    });
    const insertBelow = (foldersMax: number) =>
      db.transaction(async (tx) => {
        const allowance = await findFolderAllowance(tx, ownerId);
        counted += 1;
        if (counted === 5) release();
        await allCounted;
        if (allowance === null || allowance.foldersOwned >= foldersMax) return false;
        await insertFolder(tx, { id: uuidv7(), ownerId, volume: 'local', quotaBytes: 1, quotaFiles: 1 });
        return true;
      });
    const inserted = await Promise.all(Array.from({ length: 5 }, () => insertBelow(1)));
    expect(inserted.filter(Boolean).length).toBeGreaterThan(1);
  });
});

describe('markFolderDeleted', () => {
  it('succeeds for exactly one of many concurrent callers', async () => {
    const { db } = database;
    const userId = await insertTestUser(db);
    const { id: folderId } = await insertTestFolder(db, { ownerId: userId, volume: 'tape' });
    const results = await Promise.all(
      Array.from({ length: 10 }, () => markFolderDeleted(db, { folderId, userId })),
    );
    expect(results.filter((result) => result !== null)).toEqual([{ volume: 'tape' }]);
    const [row] = await db.select().from(folders).where(eq(folders.id, folderId));
    expect(row).toMatchObject({ state: 'deleted', deletedAt: expect.any(Date), mutationSeq: 1 });
  });

  it('does nothing for anybody but the owner', async () => {
    const { db } = database;
    const { id: folderId } = await insertTestFolder(db, { ownerId: await insertTestUser(db) });
    const userId = await insertTestUser(db);
    await insertTestMember(db, { folderId, userId, name: 'shared', permission: 'rd' });
    expect(await markFolderDeleted(db, { folderId, userId })).toBeNull();
    expect(await db.transaction((tx) => lockLiveFolder(tx, folderId))).toBe(true);
  });
});

describe('a folder that is given away while its owner deletes it', () => {
  it.each([
    ['for ever', markFolderDeleted, null],
    ['to the trash', markFolderTrashed, false],
  ] as const)('stays: %s', async (_how, mark, nothing) => {
    const { db } = database;
    const [from, to] = [await insertTestUser(db), await insertTestUser(db)];
    const { id: folderId, name } = await insertTestFolder(db, { ownerId: from });
    let deletion: Promise<unknown> | undefined;
    await db.transaction(async (tx) => {
      await updateFolderOwner(tx, { folderId, from, to });
      await updateMemberOwnership(tx, { folderId, userId: from, isOwner: false });
      await insertMember(tx, { folderId, userId: to, name, permission: 'rd', isOwner: true });
      deletion = Promise.resolve(mark(db, { folderId, userId: from, retentionDays: 1 }));
      await eventually(async () => {
        const waiting = await db.execute(sql`
          SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`);
        expect(waiting).toHaveLength(1);
      });
    });
    expect(await deletion).toBe(nothing);
    const [row] = await db.select().from(folders).where(eq(folders.id, folderId));
    expect(row).toMatchObject({ state: 'active', ownerId: to });
  });
});

describe('lockLiveFolder', () => {
  it('answers false for a folder that a concurrent transaction takes away first', async () => {
    const { db } = database;
    const userId = await insertTestUser(db);
    const { id: folderId } = await insertTestFolder(db, { ownerId: userId });
    let waiting: Promise<boolean> | undefined;
    await db.transaction(async (tx) => {
      await markFolderDeleted(tx, { folderId, userId });
      waiting = db.transaction((other) => lockLiveFolder(other, folderId));
    });
    expect(await waiting).toBe(false);
  });
});
