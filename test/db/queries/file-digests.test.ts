import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { deleteFileDigests, listFileCrcs, trimFileDigests } from '../../../db/queries/file-digests.ts';
import { settleFolderPurge } from '../../../db/queries/usage.ts';
import { fileDigests } from '../../../db/schema/file-digests.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { insertTestFolder, insertTestUser } from '../../support/factories.ts';

let database: TestDatabase;
let folderId: string;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database.close());

beforeEach(async () => {
  const ownerId = await insertTestUser(database.db);
  folderId = (await insertTestFolder(database.db, { ownerId })).id;
  const rows = Array.from({ length: 300 }, (_, index) => ({
    folderId,
    inode: String(index),
    version: `${index}-1-1`,
    crc32: 2 ** 32 - 1 - index,
    notedAt: new Date(index * 1000),
  }));
  await database.db.insert(fileDigests).values(rows);
});

async function inodes(): Promise<number[]> {
  const rows = await database.db.select().from(fileDigests).where(sql`folder_id = ${folderId}`);
  return rows.map(({ inode }) => Number(inode)).sort((a, b) => a - b);
}

describe('checksums of files', () => {
  it('are answered for the state of the file that they were noted for', async () => {
    const files = ['1', '2', '3', '999'].map((inode) => ({ inode, version: `${inode}-1-1` }));
    const found = await listFileCrcs(database.db, { folderId, files });
    expect([...found].sort()).toEqual([1, 2, 3].map((index) => [`${index}-1-1`, 2 ** 32 - 1 - index]));
  });

  it('are forgotten one by one, and all with their folder', async () => {
    await deleteFileDigests(database.db, { folderId, inodes: ['0', '299', 'x'] });
    expect(await inodes()).toHaveLength(298);
    await settleFolderPurge(database.db, folderId);
    expect(await inodes()).toEqual([]);
  });

  it('are trimmed from the oldest when there are clearly more than files', async () => {
    await trimFileDigests(database.db, { folderId, files: 200 });
    expect(await inodes()).toHaveLength(300);
    await trimFileDigests(database.db, { folderId, files: 50 });
    expect(await inodes()).toEqual(Array.from({ length: 150 }, (_, index) => index + 150));
  });
});
