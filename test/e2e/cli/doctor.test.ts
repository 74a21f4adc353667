import { randomUUID } from 'node:crypto';
import { chmod, chown, mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openSql } from '../../support/clone-database.ts';
import { isRedisAvailable } from '../../support/redis.ts';
import { type Service, startService } from '../support/service.ts';
import { createUser } from '../support/users.ts';
import { type Cli, makeCli } from './run-cli.ts';

let service: Service;
beforeEach(async () => {
  service = await startService({ backend: isRedisAvailable() ? 'redis' : 'postgres', workers: 1 });
});
afterEach(() => service.stop());

interface Found {
  readonly name: string;
  readonly state: string;
  readonly mend?: string;
}

function isFound(value: unknown): value is Found {
  return typeof value === 'object' && value !== null && 'name' in value && 'state' in value;
}

/** What the doctor finds with the environment of the service. */
async function examine(
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; found: Found[] }> {
  const doctor: Cli = makeCli({
    url: service.url,
    home: service.dataDir,
    env: { ...service.env, UV_THREADPOOL_SIZE: '32', ...env },
  });
  const { code, stdout } = await doctor(['admin', 'doctor', '--json']);
  const parsed: unknown = JSON.parse(stdout);
  return { code, found: Array.isArray(parsed) ? parsed.filter(isFound) : [] };
}

function badNames(found: readonly Found[]): string[] {
  return found.filter(({ state }) => state === 'bad').map(({ name }) => name);
}

async function folderDirectory(root: string): Promise<string> {
  const names = await readdir(join(root, 'f'), { recursive: true });
  const data = names.find((name) => /^\w\w\/\w\w\/[\w-]{36}$/.test(name));
  if (data === undefined) throw new Error('There is a folder.');
  return join(root, 'f', data);
}

describe('vfolder admin doctor', () => {
  it('asks at least 20 questions and has nothing to complain of a new installation', async () => {
    const { code, found } = await examine();
    expect(found.length).toBeGreaterThanOrEqual(20);
    // The servers of a test run keep nothing over a crash, and the doctor says so.
    const unsafe = ['database: durability', 'Redis: durability'];
    expect(badNames(found).filter((name) => !unsafe.includes(name))).toEqual([]);
    expect(badNames(found)).toContain('database: durability');
    expect(code).toBe(1);
  });

  it('finds litter, drift, wrong modes and owners, and a missing migration, each with its mend', async () => {
    const { client } = await createUser(service);
    await client.call('POST', '/folders', { json: { name: 'a' } });
    const folder = await folderDirectory(service.volumeRoot);
    const stage = join(folder, 'stage', randomUUID());
    await writeFile(stage, 'left over');
    await utimes(stage, new Date(0), new Date(0));
    await writeFile(join(folder, 'data', 'unrecorded'), 'from a session');
    await mkdir(service.dataDir, { recursive: true });
    await writeFile(join(service.dataDir, 'encryption.key'), '0'.repeat(64), { flag: 'a' });
    await chmod(join(service.dataDir, 'encryption.key'), 0o644);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) await chown(service.dataDir, 12_345, 12_345);
    const sql = openSql(service.databaseUrl);
    const newest =
      await sql`DELETE FROM drizzle.__drizzle_migrations WHERE created_at = (SELECT max(created_at) FROM drizzle.__drizzle_migrations) RETURNING *`;
    const { code, found } = await examine();
    await sql`INSERT INTO drizzle.__drizzle_migrations ${sql(newest)}`;
    await sql.end();
    if (isRoot) await chown(service.dataDir, 0, 0);
    expect(code).toBe(1);
    const expected = [
      'encryption key file',
      'database: tables',
      'volume local: litter',
      'volume local: usage',
    ];
    expect(badNames(found)).toEqual(
      expect.arrayContaining(isRoot ? [...expected, 'data directory'] : expected),
    );
    for (const { mend } of found.filter(({ state }) => state === 'bad')) expect(mend).toMatch(/\S.{10}/);
  });

  it('finds an unreachable volume without making it, a lost database and a wrong setting', async () => {
    const missing = join(service.dataDir, 'not', 'mounted');
    const volumes = { VFOLDER_VOLUMES: `local=${service.volumeRoot},gone=${missing}` };
    const withVolume = badNames((await examine(volumes)).found);
    expect(withVolume).toContain('volume gone');
    expect(withVolume).toContain('workers');
    expect((await examine(volumes)).found.filter(({ name }) => name === 'volume gone')).toMatchObject([
      { state: 'bad' },
    ]);
    const withoutDatabase = await examine({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' });
    expect(badNames(withoutDatabase.found)).toContain('database');
    expect(badNames((await examine({ VFOLDER_NONSENSE: '1' })).found)).toEqual(['settings']);
  });

  it.skipIf(!isRedisAvailable())('finds a Redis that evicts jobs or forgets them', async () => {
    await service.redis?.command('CONFIG SET maxmemory-policy allkeys-lru');
    expect(badNames((await examine()).found)).toContain('Redis: memory');
  });

  it('finds that no worker is up', async () => {
    const sql = openSql(service.databaseUrl);
    await sql`UPDATE workers SET beat_at = now() - interval '5 minutes'`;
    const bad = badNames((await examine({ VFOLDER_VOLUMES: `other=${service.volumeRoot}` })).found);
    await sql.end();
    expect(bad).toContain('workers');
  });
});
