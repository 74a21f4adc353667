import { afterAll, beforeAll, expect, it } from 'vitest';
import { openQueuePool } from '../../jobs/connections.ts';
import { asAdmin } from '../support/clone-database.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { openWay } from '../support/way.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

it('outlives a connection that is cut while somebody has it and asks nothing', async () => {
  const heard: Error[] = [];
  const pool = openQueuePool(database.url, { connectionsMax: 1, onError: (error) => heard.push(error) });
  try {
    const client = await pool.connect();
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await asAdmin(database.url, `SELECT pg_terminate_backend(${rows[0]?.pid})`);
    await eventually(() => expect(heard.join()).toMatch(/terminating connection/));
    client.release(true);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  } finally {
    await pool.end();
  }
});

it('gives a statement up that is swallowed without a sign, and its connection with it', async () => {
  let isSwallowing = false;
  const way = await openWay(database.url, () => !isSwallowing);
  const options = { connectionsMax: 2, silenceMsMax: 300, onError: () => undefined };
  const pool = openQueuePool(way.url, options);
  try {
    await Promise.all([pool.query('SELECT 1'), pool.query('SELECT 1')]);
    isSwallowing = true;
    const swallowed = await Promise.allSettled([pool.query('SELECT 1'), pool.query('SELECT 1')]);
    expect(swallowed.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    isSwallowing = false;
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  } finally {
    await pool.end();
    await way.close();
  }
});
