import { randomUUID } from 'node:crypto';
import { chmod, chown, mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSql } from '../../support/clone-database.ts';
import { eventually } from '../../support/eventually.ts';
import { isRedisAvailable } from '../../support/redis.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';
import { canMount, mountTmpfs, unmount } from '../../support/tmpfs.ts';
import { type Service, startService } from '../support/service.ts';
import { createFolder, createUser } from '../support/users.ts';
import { examineService } from './examination.ts';

const isRoot = process.getuid?.() === 0;
const mayMount = await canMount();
const smallBytes = 16 * 1024 ** 2;
const smallInodes = 400;
const hourMs = 3_600_000;

let dir: TempDir;
let local: string;
let small: string;
let service: Service;
beforeAll(async () => {
  dir = await createTempDir();
  local = join(dir.path, 'local');
  small = join(dir.path, 'small');
  await mkdir(local);
  await mkdir(small);
  if (mayMount) await mountTmpfs(small, `size=${smallBytes},nr_inodes=${smallInodes}`);
  service = await startService({
    backend: isRedisAvailable() ? 'redis' : 'postgres',
    workers: 1,
    env: { VFOLDER_VOLUMES: `local=${local},small=${small}` },
  });
});
afterAll(async () => {
  await service.stop();
  if (mayMount) await unmount(small);
  await dir.remove();
});

/** The servers of a test run keep nothing over a crash; that is bad everywhere. */
const everywhere = ['database: durability', 'Redis: durability'];

async function blamed(env: Readonly<Record<string, string>> = {}): Promise<Record<string, string>> {
  const { code, found } = await examineService(service, env);
  expect(code).toBe(1);
  const named = found.filter(({ state, name }) => state === 'bad' && !everywhere.includes(name));
  return Object.fromEntries(named.map(({ name, detail, mend }) => [name, `${detail} Mend: ${mend}`]));
}

async function runSql(statement: string): Promise<void> {
  const sql = openSql(service.databaseUrl);
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

async function newFolder(): Promise<string> {
  const { client } = await createUser(service);
  const { id } = await createFolder(client);
  const names = await readdir(join(local, 'f'), { recursive: true });
  const data = names.find((name) => name.replaceAll('-', '').endsWith(`/${id}`));
  if (data === undefined) throw new Error('The folder has a directory.');
  return join(local, 'f', data);
}

describe('vfolder admin doctor blames a planted fault, nothing else, and names its mend:', () => {
  it.skipIf(!isRoot)('a volume and a data directory of another user', async () => {
    await chown(local, 12_345, 12_345);
    await chown(service.dataDir, 12_345, 12_345);
    const found = await blamed();
    await chown(local, 0, 0);
    await chown(service.dataDir, 0, 0);
    expect(found).toEqual({
      'data directory': expect.stringContaining(`chown -R 0 ${service.dataDir}`),
      'volume local: owner': expect.stringContaining(`chown -R 0 ${local}`),
    });
    expect(await blamed()).toEqual({});
  });

  it('a volume that was left read-only', async () => {
    await service.administrator.call('PATCH', '/admin/volumes/local', { json: { state: 'read_only' } });
    expect(await blamed()).toEqual({
      'volume local: state': expect.stringMatching(
        /read-only since \d{4}-.*vfolder admin volumes set local --state active/,
      ),
    });
    await service.administrator.call('PATCH', '/admin/volumes/local', { json: { state: 'active' } });
    expect(await blamed()).toEqual({});
  });

  it.skipIf(!mayMount)('a volume that has no bytes left', async () => {
    const ballast = join(small, 'ballast');
    await expect(writeFile(ballast, Buffer.alloc(smallBytes + 1))).rejects.toThrow('ENOSPC');
    const found = await blamed();
    await rm(ballast);
    expect(found).toEqual({ 'volume small: room': expect.stringMatching(/^0\.0 % free .*Free some, or/) });
    expect(await blamed()).toEqual({});
  });

  it.skipIf(!mayMount)('a volume that has no inodes left, which is all that it lacks', async () => {
    const ballast = join(small, 'ballast');
    await mkdir(ballast);
    const fill = async () => {
      for (let file = 0; file < smallInodes; file += 1) await writeFile(join(ballast, String(file)), '');
    };
    await expect(fill()).rejects.toThrow('ENOSPC');
    const found = await blamed();
    await rm(ballast, { recursive: true });
    const mend = expect.stringContaining('Free some, or enlarge the file system');
    expect(found).toEqual({
      'volume small': mend,
      'volume small: inodes': mend,
      'volume small: clock': mend,
    });
    expect(await blamed()).toEqual({});
  });

  it('a worker that hangs without having left, and none at all', async () => {
    const [pid = 0] = service.pids().workers;
    process.kill(pid, 'SIGSTOP');
    try {
      await runSql("UPDATE workers SET beat_at = beat_at - interval '5 minutes'");
      expect(await blamed()).toEqual({
        workers: expect.stringMatching(new RegExp(`pid ${pid} on .* fell silent 3\\d\\d s .*start:worker`)),
      });
      await runSql('DELETE FROM workers');
      expect(await blamed()).toEqual({
        workers: 'no worker gives a sign Mend: Start one: "npm run start:worker".',
      });
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await eventually(async () => expect(await blamed()).toEqual({}), { timeoutMs: 30_000 });
  });

  it('a volume that no worker has', async () => {
    const other = join(dir.path, 'other');
    await mkdir(other);
    const found = await blamed({ VFOLDER_VOLUMES: `local=${local},other=${other}` });
    expect(found).toEqual({ workers: expect.stringMatching(/jobs of other .*Start a worker with that/) });
  });

  it.skipIf(!isRedisAvailable())('a Redis that evicts jobs', async () => {
    await service.redis?.command('CONFIG SET maxmemory-policy allkeys-lru');
    const found = await blamed();
    await service.redis?.command('CONFIG SET maxmemory-policy noeviction');
    const mend = 'redis-cli CONFIG SET maxmemory-policy noeviction';
    expect(found).toEqual({ 'Redis: memory': expect.stringContaining(mend) });
    expect(await blamed()).toEqual({});
  });

  it('a database whose clock is an hour ahead', async () => {
    await runSql(`CREATE SCHEMA ahead;
      CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
        AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$`);
    const { databaseUrl: url } = service;
    // What is found first on the path is the clock of that session.
    const path = 'search_path=ahead,pg_catalog,public';
    const found = await blamed({ DATABASE_URL: `${url}${url.includes('?') ? '&' : '?'}${path}` });
    await runSql('DROP SCHEMA ahead CASCADE');
    expect(found).toEqual({ 'database: clock': expect.stringMatching(/^3\d{6} ms .*NTP or chrony/) });
    expect(await blamed()).toEqual({});
  });

  it('a machine whose clock is an hour behind the database and the volumes', async () => {
    const shift = `const real = Date.now; Date.now = () => real() - ${hourMs};`;
    const found = await blamed({
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(shift)}`,
    });
    const mend = expect.stringContaining('NTP or chrony');
    expect(found).toEqual({
      'database: clock': mend,
      'volume local: clock': mend,
      'volume small: clock': mend,
    });
  });

  it('a migration that is missing', async () => {
    const sql = openSql(service.databaseUrl);
    const newest =
      await sql`DELETE FROM drizzle.__drizzle_migrations WHERE created_at = (SELECT max(created_at) FROM drizzle.__drizzle_migrations) RETURNING *`;
    const found = await blamed();
    await sql`INSERT INTO drizzle.__drizzle_migrations ${sql(newest)}`;
    await sql.end();
    expect(found).toEqual({ 'database: tables': expect.stringContaining('npm run migrate') });
    expect(await blamed()).toEqual({});
  });

  it('a volume that is not mounted, and one that is a file; it makes neither', async () => {
    const away = join(dir.path, 'away');
    await rename(local, away);
    const missing = await blamed();
    await expect(stat(local)).rejects.toThrow('ENOENT');
    await writeFile(local, '');
    const file = await blamed();
    await rm(local);
    await rename(away, local);
    const mend = expect.stringContaining(`Mount the volume at ${local}`);
    for (const found of [missing, file]) {
      expect(found).toMatchObject({ 'volume local': mend });
      for (const name of Object.keys(found)) expect(name).toMatch(/^volume local/);
    }
    expect(await blamed()).toEqual({});
  });

  it('a staged file that nobody owns', async () => {
    const stage = join(await newFolder(), 'stage', randomUUID());
    await writeFile(stage, 'left over');
    await utimes(stage, new Date(0), new Date(0));
    const found = await blamed();
    await rm(stage);
    expect(found).toEqual({ 'volume local: litter': expect.stringContaining('storage.sweep') });
    expect(await blamed()).toEqual({});
  });

  it('a folder that holds more than is recorded', async () => {
    const file = join(await newFolder(), 'data', 'unrecorded');
    await writeFile(file, 'from a session');
    const found = await blamed();
    await rm(file);
    expect(found).toEqual({
      'volume local: usage': expect.stringMatching(/by 14 bytes and 1 files .*admin usage recount/),
    });
    expect(await blamed()).toEqual({});
  });

  it('a key file that others may read', async () => {
    const key = join(service.dataDir, 'encryption.key');
    const { mode } = await stat(key);
    expect(mode & 0o777).toBe(0o600);
    await chmod(key, 0o640);
    const found = await blamed();
    await chmod(key, 0o600);
    expect(found).toEqual({ 'encryption key file': expect.stringContaining(`chmod 600 ${key}`) });
    expect(await blamed()).toEqual({});
  });
});
