import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assertMigrated, migrateDatabase, SchemaOutdatedError } from '../../db/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase();
});

afterEach(() => database.close());

async function empty(): Promise<void> {
  await database.db.execute(sql`DROP SCHEMA public CASCADE`);
  await database.db.execute(sql`DROP SCHEMA IF EXISTS drizzle CASCADE`);
  await database.db.execute(sql`CREATE SCHEMA public`);
}

describe('migrateDatabase', () => {
  it('makes the tables in an empty database, once, however many do it at once', async () => {
    await empty();
    await Promise.all(Array.from({ length: 4 }, () => migrateDatabase(database.url)));
    await assertMigrated(database.db);
    const [row] = await database.db.execute(
      sql`SELECT count(*)::int AS n, count(DISTINCT hash)::int AS hashes FROM drizzle.__drizzle_migrations`,
    );
    expect(row?.n).toBe(row?.hashes);
    expect(await database.db.execute(sql`SELECT name FROM policies`)).toEqual([{ name: 'default' }]);
  });

  it('changes nothing in a database that is up to date', async () => {
    await migrateDatabase(database.url);
    await migrateDatabase(database.url);
    await assertMigrated(database.db);
  });
});

describe('assertMigrated', () => {
  it('refuses an empty database and one that is behind, in one sentence', async () => {
    await database.db.execute(sql`UPDATE drizzle.__drizzle_migrations SET created_at = created_at - 1`);
    await expect(assertMigrated(database.db)).rejects.toThrow(SchemaOutdatedError);
    await empty();
    await expect(assertMigrated(database.db)).rejects.toThrow(/run "npm run migrate" first\.$/);
  });

  it('accepts a database that is ahead, as during a rolling update', async () => {
    await database.db.execute(
      sql`INSERT INTO drizzle.__drizzle_migrations (hash, created_at) SELECT 'next', max(created_at) + 1 FROM drizzle.__drizzle_migrations`,
    );
    await expect(assertMigrated(database.db)).resolves.toBeUndefined();
  });
});
