import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Database, type DatabaseClient, openDatabase } from '../../db/client.ts';
import { failureOf } from '../../db/failure.ts';
import { users } from '../../db/schema/users.ts';
import { groupSizes } from '../../db/warm-connections.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { insertTestUser } from '../support/factories.ts';

const connectionsMax = 20;

let database: TestDatabase;
let client: DatabaseClient;

beforeAll(async () => {
  database = await createTestDatabase();
  client = openDatabase({ url: database.url, connectionsMax, applicationName: 'vfolder-test' });
});
afterAll(async () => {
  await client.close(1);
  await database.close();
});

async function backendOf(db: Pick<Database, 'execute'>): Promise<number> {
  const [row] = await db.execute<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`);
  return row?.pid ?? 0;
}

interface Held {
  readonly pid: number;
  readonly createdAt: readonly Date[];
}

/** Has `count` transactions open at the same time. @returns what each of them saw */
async function holdTransactions(db: Database, count: number): Promise<Held[]> {
  let arrived = 0;
  let open: () => void = () => undefined;
  const all = new Promise<void>((resolve) => {
    open = resolve;
  });
  const hold = () =>
    db.transaction(async (tx) => {
      const pid = await backendOf(tx);
      arrived += 1;
      if (arrived === count) open();
      await all;
      const rows = await tx.select({ createdAt: users.createdAt }).from(users);
      return { pid, createdAt: rows.map(({ createdAt }) => createdAt) };
    });
  return await Promise.all(Array.from({ length: count }, hold));
}

it('cuts a large pool into small groups and the rest, and leaves a small one whole', () => {
  for (let max = 1; max <= 40; max += 1)
    expect(groupSizes(max).reduce((sum, size) => sum + size, 0)).toBe(max);
  expect(groupSizes(connectionsMax)).toEqual([4, 4, 12]);
  expect(groupSizes(5)).toEqual([5]);
});

it('holds as many transactions at a time as the pool is large, all of which read rows alike', async () => {
  await insertTestUser(database.db);
  const held = await holdTransactions(client.db, connectionsMax);
  expect(new Set(held.map(({ pid }) => pid)).size).toBe(connectionsMax);
  const [first] = held;
  expect(first?.createdAt[0]).toBeInstanceOf(Date);
  for (const { createdAt } of held) expect(createdAt).toEqual(first?.createdAt);
});

it('keeps to the first connections while few are taken, however many are open', async () => {
  await holdTransactions(client.db, connectionsMax);
  const pids = new Set<number>();
  const ask = async () => {
    for (let round = 0; round < 50; round += 1) pids.add(await backendOf(client.db));
  };
  await Promise.all([ask(), ask()]);
  expect(pids.size).toBeLessThanOrEqual(4);
});

it('counts a connection as free again when its statement or transaction fails', async () => {
  const fail = () => client.db.execute(sql`SELECT 1 / 0`).then(undefined, failureOf);
  const failAtOnce = () =>
    client.db.transaction(async () => Promise.reject(new Error('as meant'))).then(undefined, failureOf);
  for (let round = 0; round < 2 * connectionsMax; round += 1) {
    expect([await fail(), await failAtOnce()]).toEqual(['other', 'other']);
  }
  const pids = new Set<number>();
  for (let round = 0; round < 50; round += 1) pids.add(await backendOf(client.db));
  expect(pids.size).toBeLessThanOrEqual(4);
});

it('goes on beside a connection that was lost', async () => {
  const lost = client.db
    .execute(sql`SELECT pg_terminate_backend(pg_backend_pid())`)
    .then(undefined, failureOf);
  expect(await lost).toBe('lost');
  const answers = await Promise.all(Array.from({ length: 3 * connectionsMax }, () => backendOf(client.db)));
  expect(answers.every((pid) => pid > 0)).toBe(true);
});
