import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { assertMigrated, migrateDatabase, SchemaBusyError, SchemaOutdatedError } from '../../db/migrate.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';

const journalSchema = z.object({ entries: z.array(z.object({ tag: z.string(), when: z.number() })) });

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

describe('a migration of a table that is in use', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'migrations-'));
    await mkdir(join(folder, 'meta'));
    const entry = { idx: 0, version: '7', when: 4_000_000_000_000, tag: '0000_more', breakpoints: true };
    const journal = { version: '7', dialect: 'postgresql', entries: [entry] };
    await writeFile(join(folder, 'meta', '_journal.json'), JSON.stringify(journal));
    await writeFile(
      join(folder, '0000_more.sql'),
      'CREATE TABLE "more" ("id" int);\n--> statement-breakpoint\nALTER TABLE "folders" ADD COLUMN "more" int;',
    );
  });
  afterEach(() => rm(folder, { recursive: true }));

  const more = async () => {
    const [row] = await database.db.execute(sql`SELECT to_regclass('more') IS NOT NULL AS made,
      EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'folders'::regclass AND attname = 'more') AS added`);
    return row;
  };
  const briefly = { lockMsMax: 50, pauseMs: 1 };

  it('gives up by and by, in one sentence, and has changed nothing', async () => {
    await database.db.transaction(async (tx) => {
      await tx.execute(sql`LOCK TABLE folders IN ROW EXCLUSIVE MODE`);
      const refused = migrateDatabase(database.url, { ...briefly, triesMax: 3, folder });
      await expect(refused).rejects.toThrow(SchemaBusyError);
      await expect(refused).rejects.toThrow(/^The tables are as they were, .*run "npm run migrate" again\.$/);
    });
    expect(await more()).toEqual({ made: false, added: false });
    await migrateDatabase(database.url, { folder });
    expect(await more()).toEqual({ made: true, added: true });
  });

  it('lets those write who came after it, and is made once the table is free', async () => {
    let migrated: Promise<void> | undefined;
    await database.db.transaction(async (tx) => {
      await tx.execute(sql`LOCK TABLE folders IN ROW EXCLUSIVE MODE`);
      migrated = migrateDatabase(database.url, { ...briefly, triesMax: 10_000, folder });
      await eventually(async () => {
        const waiting = await database.db.execute(sql`
          SELECT FROM pg_locks WHERE NOT granted AND relation = 'folders'::regclass`);
        expect(waiting).toHaveLength(1);
      });
      // It would wait as long as this transaction lasts, which waits for it.
      await database.db.execute(sql`UPDATE folders SET mutation_seq = mutation_seq + 1`);
    });
    await migrated;
    expect(await more()).toEqual({ made: true, added: true });
  });
});

describe('the migrations', () => {
  it('bear the numbers that the generator counts by, each with its snapshot, and later dates each', async () => {
    const dir = new URL('../../db/migrations/', import.meta.url);
    const { entries } = journalSchema.parse(
      JSON.parse(await readFile(new URL('meta/_journal.json', dir), 'utf8')),
    );
    const numbers = entries.map((_, index) => String(index).padStart(4, '0'));
    expect(entries.map(({ tag }) => tag.slice(0, 5))).toEqual(numbers.map((number) => `${number}_`));
    const dates = entries.map(({ when }) => when);
    expect(dates).toEqual([...new Set(dates)].toSorted((one, other) => one - other));
    const files = (await readdir(dir)).filter((name) => name.endsWith('.sql'));
    expect(files.toSorted()).toEqual(entries.map(({ tag }) => `${tag}.sql`));
    const snapshots = (await readdir(new URL('meta/', dir))).filter((name) => name.includes('snapshot'));
    expect(snapshots.toSorted()).toEqual(numbers.map((number) => `${number}_snapshot.json`));
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
