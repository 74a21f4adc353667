import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { errorCodeOf } from '../../api/problem.ts';
import { type Executor, openDatabase } from '../../db/client.ts';
import { failureOf } from '../../db/failure.ts';
import { users } from '../../db/schema/users.ts';
import { asAdmin } from '../support/clone-database.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

function failing(work: (tx: Executor) => Promise<unknown>): Promise<unknown> {
  return database.db.transaction(work).then(
    () => 'It did not fail.',
    (error: unknown) => error,
  );
}

it.each([
  ['a statement that took longer than the server allows', sql`SET LOCAL statement_timeout = 20`],
  ['a change that a server refuses which only reads', sql`SET TRANSACTION READ ONLY`],
])('takes %s for an outage, after which the caller may try again', async (_, setting) => {
  const error = await failing(async (tx) => {
    await tx.execute(setting);
    await tx.delete(users).where(sql`id = gen_random_uuid()`);
    await tx.execute(sql`SELECT pg_sleep(30)`);
  });
  expect(failureOf(error)).toBe('lost');
  expect(errorCodeOf(error)).toBe('service_unavailable');
});

it('takes a database that admits nobody for an outage, and one that is not there for what it is', async () => {
  const other = await createTestDatabase();
  const { pathname } = new URL(other.url);
  const ask = async (url: string) => {
    const client = openDatabase({ url, connectionsMax: 1, applicationName: 'vfolder-test' });
    const outcome = await client.db.execute(sql`SELECT 1`).then(() => 'connected', failureOf);
    await client.close(1);
    return outcome;
  };
  await asAdmin(database.url, `ALTER DATABASE ${pathname.slice(1)} ALLOW_CONNECTIONS false`);
  expect(await ask(other.url)).toBe('lost');
  await other.close();
  expect(await ask(other.url)).toBe('other');
});

it('takes a statement that no server would carry out for what it is', async () => {
  const error = await failing((tx) => tx.execute(sql`SELECT 1 / 0`));
  expect(failureOf(error)).toBe('other');
  expect(errorCodeOf(error)).toBe('internal');
});
