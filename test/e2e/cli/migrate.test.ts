import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ClonedDatabase, cloneDatabase, openSql } from '../../support/clone-database.ts';
import { rootDir } from '../../support/process.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { type Environment, runAdmin } from './restored.ts';

let dir: TempDir;
let database: ClonedDatabase;
let env: Environment;
beforeEach(async () => {
  dir = await createTempDir();
  database = await cloneDatabase();
  env = { DATABASE_URL: database.url, VFOLDER_DATA_DIR: dir.path, LOG_LEVEL: 'warn' };
});
afterEach(async () => {
  await database.drop();
  await dir.remove();
});

async function runSql(statement: string) {
  const sql = openSql(database.url);
  try {
    return await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function knownNames(): Promise<string[]> {
  const journal: unknown = JSON.parse(
    await readFile(join(rootDir, 'db/migrations/meta/_journal.json'), 'utf8'),
  );
  const entries: unknown = Reflect.get(Object(journal), 'entries');
  return Array.isArray(entries) ? entries.map((entry) => String(Reflect.get(Object(entry), 'tag'))) : [];
}

async function pendingNames(): Promise<{ readonly code: number | null; readonly pending: unknown }> {
  const { code, stdout } = await runAdmin(env, 'migrate', '--check', '--json');
  return { code, pending: Reflect.get(Object(JSON.parse(stdout)), 'pending') };
}

describe('vfolder admin migrate', () => {
  it('names everything that an empty database lacks, changes nothing while it checks, and applies it then', async () => {
    await runSql('DROP SCHEMA public, drizzle, bullmq CASCADE; CREATE SCHEMA public');
    const names = await knownNames();
    expect(names.length).toBeGreaterThan(10);
    const queues = expect.stringMatching(/^queues 0 to \d+$/);
    expect(await pendingNames()).toEqual({ code: 6, pending: [...names, queues] });
    expect(await pendingNames()).toEqual({ code: 6, pending: [...names, queues] });

    const { code, stdout } = await runAdmin(env, 'migrate', '--json');
    expect({ code, said: JSON.parse(stdout) }).toEqual({
      code: 0,
      said: { applied: [...names, queues], admin: 'made' },
    });
    expect(await pendingNames()).toEqual({ code: 0, pending: [] });
    expect(await runAdmin(env, 'migrate')).toMatchObject({ code: 0, stdout: 'The database is ready.\n' });
  });

  it('names the one that is missing, for people too', async () => {
    await runSql(`DELETE FROM drizzle.__drizzle_migrations
      WHERE created_at = (SELECT max(created_at) FROM drizzle.__drizzle_migrations)`);
    const last = (await knownNames()).at(-1);
    expect(await runAdmin(env, 'migrate', '--check')).toMatchObject({
      code: 6,
      stdout: `1 to apply:\n  ${last}\n`,
    });
  });

  it('refuses a database that a newer version made, in one sentence', async () => {
    await runSql(`INSERT INTO drizzle.__drizzle_migrations (hash, created_at)
      SELECT 'next', max(created_at) + 1 FROM drizzle.__drizzle_migrations`);
    for (const args of [['migrate'], ['migrate', '--check'], ['migrate', '--check', '--json']]) {
      const { code, stdout, stderr } = await runAdmin(env, ...args);
      expect({ code, stdout }).toEqual({ code: 6, stdout: '' });
      expect(stderr).toMatch(
        /^vfolder: The tables of the database are of a newer version, and .* restore a backup\.\n/,
      );
      expect(stderr).not.toContain('    at ');
    }
  });

  it('says in one sentence that a database is away', async () => {
    env = { ...env, DATABASE_URL: 'postgres://nobody@127.0.0.1:9/nothing' };
    for (const args of [['migrate'], ['migrate', '--check']]) {
      const { code, stderr } = await runAdmin(env, ...args);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^vfolder: The database of DATABASE_URL cannot be used \(ECONNREFUSED\): /);
    }
  });
});
