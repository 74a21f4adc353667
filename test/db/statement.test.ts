import { afterAll, beforeAll, expect, it } from 'vitest';
import { fragment, statement } from '../../db/statement.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

const columns = fragment`$1::text AS text, '%\\' AS rest`;

it('sends values as parameters and fragments as text', async () => {
  const ask = (text: string, count: number | null) =>
    database.db.execute(statement`SELECT ${text}::text AS value, ${count}::int AS count, ${columns}`);
  const hostile = `'; DROP TABLE users; -- $2 \${0}`;
  expect([...(await ask(hostile, 7))]).toEqual([{ value: hostile, count: 7, text: hostile, rest: '%\\' }]);
  expect([...(await ask('', null))]).toEqual([{ value: '', count: null, text: '', rest: '%\\' }]);
});

it('keeps the statements of two places apart, and runs them in a transaction', async () => {
  const rows = await database.db.transaction(async (tx) => [
    ...(await tx.execute(statement`SELECT ${1}::int + ${2}::int AS sum`)),
    ...(await tx.execute(statement`SELECT ${1}::int - ${2}::int AS sum`)),
  ]);
  expect(rows).toEqual([{ sum: 3 }, { sum: -1 }]);
});
