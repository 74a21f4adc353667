import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  countMemberFolders,
  deleteMember,
  findMemberFolder,
  insertMember,
  isFolderNameTaken,
  listFolderMembers,
  listMemberFolders,
  pageMemberFolders,
  updateMemberPermission,
} from '../../../db/queries/members.ts';
import { folders } from '../../../db/schema/folders.ts';
import { socketPathOf } from '../../../db/socket-path.ts';
import { permissions, type Right } from '../../../domain/permission.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { insertTestFolder, insertTestMember, insertTestUser } from '../../support/factories.ts';

const rights: readonly Right[] = ['read', 'write', 'delete', 'own'];

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

describe('findMemberFolder', () => {
  it('answers exactly the rights of the owner and of each permission', async () => {
    const { db } = database;
    const ownerId = await insertTestUser(db);
    const { id, name } = await insertTestFolder(db, { ownerId });
    const users = new Map([['owner', ownerId]]);
    for (const permission of permissions) {
      const userId = await insertTestUser(db);
      await insertTestMember(db, { folderId: id, userId, name, permission });
      users.set(permission, userId);
    }
    const held: Record<string, Right[]> = {};
    for (const [who, userId] of users) {
      held[who] = [];
      for (const right of rights) {
        if ((await findMemberFolder(db, { userId, name, right })) !== null) held[who].push(right);
      }
    }
    expect(held).toEqual({
      owner: ['read', 'write', 'delete', 'own'],
      ro: ['read'],
      rw: ['read', 'write'],
      rd: ['read', 'write', 'delete'],
    });
  });

  it('finds nothing for a stranger, neither by name nor by id', async () => {
    const { db } = database;
    const { id, name } = await insertTestFolder(db, { ownerId: await insertTestUser(db) });
    const userId = await insertTestUser(db);
    expect(await findMemberFolder(db, { userId, name, folderId: id, right: 'read' })).toBeNull();
  });

  it('finds nothing once the folder is not live', async () => {
    const { db } = database;
    const userId = await insertTestUser(db);
    const { id, name } = await insertTestFolder(db, { ownerId: userId });
    await db.update(folders).set({ state: 'deleted' }).where(eq(folders.id, id));
    expect(await findMemberFolder(db, { userId, name, right: 'read' })).toBeNull();
  });

  it('lets an id win over the name that somebody else gave to a folder they share', async () => {
    const { db } = database;
    const userId = await insertTestUser(db);
    const own = await insertTestFolder(db, { ownerId: userId });
    const foreign = await insertTestFolder(db, { ownerId: await insertTestUser(db) });
    const name = own.id.replaceAll('-', '');
    await insertTestMember(db, { folderId: foreign.id, userId, name, permission: 'ro' });
    const ask = (right: Right) => findMemberFolder(db, { userId, name, folderId: own.id, right });
    expect((await ask('read'))?.id).toBe(own.id);
    expect((await ask('own'))?.id).toBe(own.id);
    const byName = { userId, name, folderId: uuidv7(), right: 'read' } as const;
    expect((await findMemberFolder(db, byName))?.id).toBe(foreign.id);
  });

  it('carries the member’s name and permission, the owner and the counters', async () => {
    const { db } = database;
    const email = `Owner-${crypto.randomUUID()}@example.org`;
    const ownerId = await insertTestUser(db, { email });
    const { id } = await insertTestFolder(db, { ownerId, quotaBytes: 7, quotaFiles: 3 });
    const userId = await insertTestUser(db);
    await insertTestMember(db, { folderId: id, userId, name: 'mine', permission: 'rw' });
    expect(await findMemberFolder(db, { userId, name: 'mine', right: 'read' })).toMatchObject({
      id,
      ownerId,
      ownerEmail: email,
      name: 'mine',
      permission: 'rw',
      isOwner: false,
      volume: 'local',
      quotaBytes: 7,
      quotaFiles: 3,
      usedBytes: 0,
      createdAt: expect.any(Date),
    });
  });

  it('looks up names and ids in an index, however many folders a user sees', async () => {
    const userId = await insertTestUser(database.db);
    await database.db.execute(sql`
      WITH made AS (
        INSERT INTO folders (id, owner_id, volume, quota_bytes, quota_files)
          SELECT gen_random_uuid(), ${userId}, 'local', 1, 1 FROM generate_series(1, 5000) RETURNING id)
      INSERT INTO members (folder_id, user_id, name, permission, is_owner)
        SELECT id, ${userId}, 'n-' || id, 'rd', true FROM made`);
    await database.db.execute(sql`ANALYZE members, folders`);
    const byName = await explainFind({ userId, name: 'n-1' });
    expect(byName).toMatch(/Index Scan using members_user_name_key/);
    const byEither = await explainFind({ userId, name: 'n-1', folderId: crypto.randomUUID() });
    expect(byEither).toMatch(/BitmapOr/);
    expect(byName + byEither).not.toMatch(/Seq Scan on (members|folders)/);
  });
});

async function explainFind(reference: { userId: string; name: string; folderId?: string }): Promise<string> {
  const path = socketPathOf(database.url);
  const client = postgres(database.url, { max: 1, ...(path === undefined ? {} : { path }) });
  try {
    const seen: { query: string; params: unknown[] }[] = [];
    const logger = { logQuery: (query: string, params: unknown[]) => seen.push({ query, params }) };
    await findMemberFolder(drizzle(client, { logger }), { ...reference, right: 'read' });
    const [statement] = seen;
    if (statement === undefined) throw new Error('One statement was sent.');
    const rows = await client.unsafe(`EXPLAIN ${statement.query}`, statement.params.map(String));
    return rows.map((row) => String(row['QUERY PLAN'])).join('\n');
  } finally {
    await client.end();
  }
}

describe('listMemberFolders', () => {
  it('lists names in byte order, own and shared ones, and skips by number', async () => {
    const { db } = database;
    const userId = await insertTestUser(db);
    const names = ['b', 'a', 'Z', 'é', '데이터', '🗂'];
    for (const name of names.slice(0, 4)) await insertTestFolder(db, { ownerId: userId, name });
    for (const name of names.slice(4)) {
      const { id } = await insertTestFolder(db, { ownerId: await insertTestUser(db) });
      await insertTestMember(db, { folderId: id, userId, name, permission: 'ro' });
    }
    const list = async (limit: number, offset: number) =>
      (await listMemberFolders(db, { userId, limit, offset })).map((folder) => folder.name);
    expect(await list(10, 0)).toEqual(['Z', 'a', 'b', 'é', '데이터', '🗂']);
    expect(await list(2, 2)).toEqual(['b', 'é']);
    expect(await list(2, 6)).toEqual([]);
    expect(await countMemberFolders(db, userId)).toBe(6);
  });
});

describe('pageMemberFolders', () => {
  it('answers what is listed and how many there are, also past the end and without a limit', async () => {
    const { db } = database;
    const userId = await insertTestUser(db);
    for (const name of ['b', 'a', 'Z', 'é']) await insertTestFolder(db, { ownerId: userId, name });
    const { id } = await insertTestFolder(db, { ownerId: await insertTestUser(db) });
    await insertTestMember(db, { folderId: id, userId, name: 'shared', permission: 'ro' });
    const gone = await insertTestFolder(db, { ownerId: userId, name: 'gone' });
    await db.update(folders).set({ state: 'deleted' }).where(eq(folders.id, gone.id));
    const page = (limit: number | null, offset: number) => pageMemberFolders(db, { userId, limit, offset });
    const all = await listMemberFolders(db, { userId, limit: 10, offset: 0 });
    expect(all.map(({ name }) => name)).toEqual(['Z', 'a', 'b', 'shared', 'é']);
    expect(await page(null, 0)).toMatchObject({ count: 5, folders: all });
    expect(await page(2, 2)).toMatchObject({ count: 5, folders: all.slice(2, 4) });
    expect(await page(2, 6)).toEqual({ count: 5, folders: [] });
    const nobody = await insertTestUser(db);
    expect(await pageMemberFolders(db, { userId: nobody, limit: 2, offset: 0 })).toEqual({
      count: 0,
      folders: [],
    });
  });
});

describe('insertMember', () => {
  it('refuses a name the user already sees, and only for that user', async () => {
    const { db } = database;
    const [one, other] = [await insertTestUser(db), await insertTestUser(db)];
    await insertTestFolder(db, { ownerId: one, name: 'taken' });
    const { id: folderId } = await insertTestFolder(db, { ownerId: await insertTestUser(db) });
    const member = { folderId, name: 'taken', permission: 'ro', isOwner: false } as const;
    expect(await insertMember(db, { ...member, userId: one })).toBe(false);
    expect(await insertMember(db, { ...member, userId: other })).toBe(true);
    expect(await isFolderNameTaken(db, { userId: other, name: 'taken' })).toBe(true);
    expect(await isFolderNameTaken(db, { userId: other, name: 'Taken' })).toBe(false);
  });
});

describe('changing memberships', () => {
  it('never touches the owner', async () => {
    const { db } = database;
    const ownerId = await insertTestUser(db);
    const { id: folderId } = await insertTestFolder(db, { ownerId });
    expect(await deleteMember(db, { folderId, userId: ownerId })).toBe(false);
    expect(await updateMemberPermission(db, { folderId, userId: ownerId, permission: 'ro' })).toBe(false);
    expect(await listFolderMembers(db, folderId)).toMatchObject([
      { userId: ownerId, permission: 'rd', isOwner: true },
    ]);
  });

  it('changes and ends one membership and leaves the others', async () => {
    const { db } = database;
    const { id: folderId } = await insertTestFolder(db, { ownerId: await insertTestUser(db) });
    const [one, other] = [await insertTestUser(db), await insertTestUser(db)];
    for (const userId of [one, other]) {
      await insertTestMember(db, { folderId, userId, name: 'shared', permission: 'ro' });
    }
    expect(await updateMemberPermission(db, { folderId, userId: one, permission: 'rd' })).toBe(true);
    expect(await deleteMember(db, { folderId, userId: other })).toBe(true);
    expect(await deleteMember(db, { folderId, userId: other })).toBe(false);
    const rest = await listFolderMembers(db, folderId);
    expect(rest.map(({ isOwner, permission }) => [isOwner, permission])).toEqual([
      [true, 'rd'],
      [false, 'rd'],
    ]);
  });
});
