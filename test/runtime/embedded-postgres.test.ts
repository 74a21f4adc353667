import { existsSync } from 'node:fs';
import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../db/client.ts';
import {
  type EmbeddedPostgres,
  findEmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../runtime/embedded-postgres.ts';
import { eventually } from '../support/eventually.ts';
import { hasOtherUsers, isRoot, stranger } from '../support/other-user.ts';
import { runFixture } from '../support/run-fixture.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';

let dir: TempDir;
let started: EmbeddedPostgres[];

async function setUp(): Promise<void> {
  dir = await createTempDir();
  started = [];
}

async function tearDown(): Promise<void> {
  for (const server of started) await server.stop();
  await dir.remove();
}

async function start(options: { readonly durable: boolean } = { durable: false }): Promise<EmbeddedPostgres> {
  const server = await startEmbeddedPostgres({ dataDir: dir.path, ...options });
  started.push(server);
  return server;
}

async function query(url: string, text: string): Promise<Record<string, unknown> | undefined> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query(text);
    return rows[0];
  } finally {
    await client.end();
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('a running embedded Postgres', () => {
  let server: EmbeddedPostgres;

  beforeAll(async () => {
    await setUp();
    server = await start();
  });

  afterAll(tearDown);

  it('serves a UTF-8 database over a socket that both drivers read from one url', async () => {
    const byPg = await query(
      server.url,
      `SELECT current_user AS role, current_database() AS name, upper('é') AS upper`,
    );
    const client = openDatabase({ url: server.url, connectionsMax: 1, applicationName: 'test' });
    const [byPostgres] = await client.db.execute(`SELECT current_setting('server_encoding') AS encoding`);
    await client.close(5);
    expect(byPg).toEqual({ role: 'vfolder', name: 'vfolder', upper: 'É' });
    expect(byPostgres).toEqual({ encoding: 'UTF8' });
  });

  it('keeps its socket to its own user and within the length of a socket address', async () => {
    const { mode } = await stat(server.socketDir);
    expect(mode & 0o777).toBe(0o700);
    expect(Buffer.byteLength(join(server.socketDir, '.s.PGSQL.5432'))).toBeLessThan(107);
    expect(await query(server.url, 'SHOW listen_addresses')).toEqual({ listen_addresses: '' });
  });

  it.runIf(isRoot)('never runs the server as root, and keeps the owner of an existing database', async () => {
    const owner = (await stat(join(dir.path, 'postgres'))).uid;
    expect(owner).not.toBe(0);
    expect((await stat(`/proc/${server.pid}`)).uid).toBe(owner);
  });

  it.runIf(hasOtherUsers)('refuses another user in one sentence', async () => {
    const run = runFixture(join(import.meta.dirname, 'fixtures/postgres.ts'), [dir.path], {
      cwd: import.meta.dirname,
      user: stranger,
    });
    await expect(run).rejects.toThrow(/exit code 2: vfolder: .*belongs to another user: .*VFOLDER_DATA_DIR/);
  });

  it('is found by other processes', async () => {
    expect(await findEmbeddedPostgres(dir.path)).toBe(server.url);
    expect(await findEmbeddedPostgres(join(dir.path, 'elsewhere'))).toBe(null);
  });

  it('takes over a server that is already up on the data, and ends it', async () => {
    const second = await start();
    expect({ pid: second.pid, url: second.url }).toEqual({ pid: server.pid, url: server.url });
    await second.stop();
    expect(isRunning(server.pid)).toBe(false);
    expect(await findEmbeddedPostgres(dir.path)).toBe(null);
  });
});

describe('startEmbeddedPostgres', () => {
  beforeEach(setUp);
  afterEach(tearDown);

  it('finds its data and its url again after a stop, and leaves neither process nor socket behind', async () => {
    const first = await start();
    await query(first.url, 'CREATE TABLE kept AS SELECT 7 AS value');
    await first.stop();
    expect(isRunning(first.pid)).toBe(false);
    expect(existsSync(first.socketDir)).toBe(false);
    const second = await start();
    expect(second.url).toBe(first.url);
    expect(await query(second.url, 'SELECT value FROM kept')).toEqual({ value: 7 });
  });

  it('recovers what was committed when the server is killed', async () => {
    const first = await start({ durable: true });
    await query(first.url, 'CREATE TABLE kept AS SELECT 8 AS value');
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    const second = await start();
    expect(await query(second.url, 'SELECT value FROM kept')).toEqual({ value: 8 });
  });

  it('starts though the process number of an earlier server belongs to another process', async () => {
    const first = await start();
    process.kill(first.pid, 'SIGKILL');
    await first.exited;
    const stale = `${process.pid}\n${join(dir.path, 'postgres')}\n1\n5432\n${first.socketDir}\n\n\nready\n`;
    await writeFile(join(dir.path, 'postgres', 'postmaster.pid'), stale);
    const second = await start();
    expect(await query(second.url, 'SELECT 1 AS one')).toEqual({ one: 1 });
  });

  it('refuses data of another Postgres version in one sentence', async () => {
    await mkdir(join(dir.path, 'postgres'));
    await writeFile(join(dir.path, 'postgres', 'PG_VERSION'), '12\n');
    await expect(start()).rejects.toThrow(/made by Postgres 12 and this is Postgres \d+: .*VFOLDER_DATA_DIR/);
  });

  it('refuses a directory that holds something else and leaves it as it is', async () => {
    await mkdir(join(dir.path, 'postgres'));
    await writeFile(join(dir.path, 'postgres', 'diary.txt'), 'dear');
    await expect(start()).rejects.toThrow(/not a Postgres database and not empty/);
    expect(existsSync(join(dir.path, 'postgres', 'diary.txt'))).toBe(true);
  });

  it('makes the database anew when an earlier attempt broke off', async () => {
    await mkdir(join(dir.path, 'postgres.new'));
    await writeFile(join(dir.path, 'postgres.new', 'PG_VERSION'), '18\n');
    const server = await start();
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual({ one: 1 });
  });

  it('ends with the process that started it, even when that is killed, and starts again', async () => {
    const run = await runFixture(join(import.meta.dirname, 'fixtures/postgres.ts'), [dir.path], {
      cwd: import.meta.dirname,
    });
    run.child.kill('SIGKILL');
    await eventually(() => expect(isRunning(Number(run.facts.pid))).toBe(false));
    const server = await start();
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual({ one: 1 });
  });

  it('is the same whatever the locale of the caller', async () => {
    const run = await runFixture(join(import.meta.dirname, 'fixtures/postgres.ts'), [dir.path], {
      cwd: import.meta.dirname,
      env: {
        PATH: process.env.PATH ?? '',
        LC_ALL: 'C',
        TZ: 'Asia/Seoul',
        PGHOST: 'nowhere',
        PGUSER: 'nobody',
      },
    });
    expect(run.facts).toMatchObject({ role: 'vfolder', encoding: 'UTF8', upper: 'É' });
    expect(await run.end()).toBe(0);
  });
});

describe.runIf(hasOtherUsers)('startEmbeddedPostgres as root', () => {
  beforeEach(setUp);
  afterEach(tearDown);

  it.each([
    ['with a name', 65_534],
    ['without a name', stranger.uid],
  ])('serves an unprivileged user %s', async (_name, uid) => {
    const dataDir = join(dir.path, 'data');
    await chmod(dir.path, 0o777);
    const run = await runFixture(join(import.meta.dirname, 'fixtures/postgres.ts'), [dataDir], {
      cwd: import.meta.dirname,
      user: { uid, gid: uid },
    });
    expect(run.facts).toMatchObject({ role: 'vfolder', encoding: 'UTF8', uid });
    expect((await stat(dataDir)).uid).toBe(uid);
    expect(await run.end()).toBe(0);
  });
});
