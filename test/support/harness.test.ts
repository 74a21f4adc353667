import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { folders } from '../../db/schema/folders.ts';
import { describeEachBackend } from './backends.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { insertTestFolder, insertTestMember, insertTestUser } from './factories.ts';

describe('createTestDatabase', () => {
  let one: TestDatabase;
  let other: TestDatabase;
  beforeAll(async () => {
    [one, other] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  });
  afterAll(async () => {
    await Promise.all([one.close(), other.close()]);
  });

  it('gives every caller a migrated database of its own', async () => {
    const ownerId = await insertTestUser(one.db);
    const memberId = await insertTestUser(one.db);
    const { id } = await insertTestFolder(one.db, { ownerId });
    await insertTestMember(one.db, { folderId: id, userId: memberId, name: 'theirs', permission: 'ro' });
    expect(await one.db.select().from(folders)).toHaveLength(1);
    expect(await other.db.select().from(folders)).toHaveLength(0);
  });

  it('holds the queue tables too', async () => {
    const rows = await one.db.execute(sql`SELECT to_regclass('bullmq.job') IS NOT NULL AS "isThere"`);
    expect(rows[0]).toEqual({ isThere: true });
  });
});

describeEachBackend('describeEachBackend', (backend) => {
  it('starts the store it names', async () => {
    if (backend.name === 'postgres') expect(backend.redisUrl).toBeUndefined();
    else expect(await backend.redis().command('PING')).toBe('+PONG');
  });
});
