import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ClonedDatabase, cloneDatabase, openSql } from '../support/clone-database.ts';
import { findFreePort } from '../support/free-port.ts';
import { startProcess } from '../support/process.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';

let database: ClonedDatabase;
let dir: TempDir;
let env: Record<string, string>;

beforeAll(async () => {
  database = await cloneDatabase();
  dir = await createTempDir();
  env = { DATABASE_URL: database.url, VFOLDER_DATA_DIR: dir.path, PORT: '0' };
});
afterAll(async () => {
  await database?.drop();
  await dir?.remove();
});

/** Starts an API that must not come up. @returns what it said */
async function refusal(changes: Record<string, string>): Promise<string> {
  const started = startProcess({ program: 'api/main.js', env: { ...env, ...changes }, ready: 'message' });
  const message = await started.then(
    async (api) => {
      await api.stop();
      return 'came up';
    },
    (error: Error) => error.message,
  );
  expect(message).toContain('ended with 2 before it was ready');
  return message.split('\n').find((line) => line.startsWith('vfolder: ')) ?? '';
}

describe('the API process', () => {
  it('tells its parent the port, serves, and on SIGTERM ends with 0', async () => {
    const api = await startProcess({ program: 'api/main.js', env, ready: 'message' });
    const { readiness } = api;
    const port = 'port' in readiness ? Number(readiness.port) : 0;
    expect(port).toBeGreaterThan(0);
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
    expect(await answer.json()).toEqual({
      status: 'ok',
      database: 'ok',
      queue: 'ok',
      volumes: { local: 'ok' },
    });
    expect(await api.stop()).toBe(0);
    expect(api.output()).toMatch(/"api\.ready"/);
  });

  it('on a port in use says so in one sentence that names PORT, and ends with 2', async () => {
    const port = await findFreePort();
    const holder = createServer().listen(port, '127.0.0.1');
    try {
      const sentence = await refusal({ PORT: String(port) });
      expect(sentence).toBe(`vfolder: Port ${port} is in use: set PORT to a free one.`);
    } finally {
      holder.close();
    }
  });

  it('without a database that answers ends with 2 and names DATABASE_URL', async () => {
    const url = `postgres://nobody@127.0.0.1:${await findFreePort()}/none`;
    expect(await refusal({ DATABASE_URL: url })).toMatch(/DATABASE_URL/);
    expect(await refusal({ DATABASE_URL: '', VFOLDER_DATA_DIR: `${dir.path}/new` })).toMatch(/DATABASE_URL/);
  });

  it('on a database without its tables ends with 2 and names the command', async () => {
    const empty = await cloneDatabase();
    const sql = openSql(empty.url);
    await sql.unsafe('DROP SCHEMA drizzle CASCADE');
    await sql.end();
    expect(await refusal({ DATABASE_URL: empty.url })).toMatch(/npm run migrate/);
    await empty.drop();
  });

  it('with another encryption key than the one of the database ends with 2', async () => {
    const api = await startProcess({ program: 'api/main.js', env, ready: 'message' });
    await api.stop();
    expect(await refusal({ VFOLDER_ENCRYPTION_KEY: '0'.repeat(64) })).toMatch(/VFOLDER_ENCRYPTION_KEY/);
  });

  it('with a volume that cannot be made ends with 2 and names VFOLDER_VOLUMES', async () => {
    expect(await refusal({ VFOLDER_VOLUMES: 'broken=/dev/null/x' })).toMatch(/VFOLDER_VOLUMES/);
  });
});
