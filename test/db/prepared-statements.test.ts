import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Database, type Executor, openDatabase } from '../../db/client.ts';
import { createPreparedTexts } from '../../db/prepared-statements.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

/** Runs `work` with a pool of one connection: what the server keeps prepared belongs to a connection. */
async function withOneConnection(work: (db: Database) => Promise<void>): Promise<void> {
  const client = openDatabase({ url: database.url, connectionsMax: 1, applicationName: 'vfolder-test' });
  try {
    await work(client.db);
  } finally {
    await client.close(1);
  }
}

/** Statements with `mark` in them that the server keeps for the connection. */
async function countKept(db: Executor, mark: string): Promise<number> {
  const [row] = await db.execute<{ count: number }>(
    sql.raw(
      `SELECT count(*)::int AS count FROM pg_prepared_statements WHERE strpos(statement, '/* ${mark} */') > 0`,
    ),
  );
  return row?.count ?? -1;
}

describe('statements', () => {
  it('are kept prepared once they come again, in transactions and savepoints too', async () => {
    await withOneConnection(async (db) => {
      const ask = (on: Executor, value: number) =>
        on.execute<{ value: number }>(sql`SELECT /* again */ ${value}::int AS value`);
      expect(await ask(db, 1)).toMatchObject([{ value: 1 }]);
      expect(await countKept(db, 'again')).toBe(0);
      await db.transaction(async (tx) => {
        await tx.transaction(async (inner) => {
          expect(await ask(inner, 2)).toMatchObject([{ value: 2 }]);
        });
        expect(await ask(tx, 3)).toMatchObject([{ value: 3 }]);
        expect(await countKept(tx, 'again')).toBe(1);
      });
      for (let value = 4; value < 12; value += 1) expect(await ask(db, value)).toMatchObject([{ value }]);
      expect(await countKept(db, 'again')).toBe(1);
    });
  });

  it('go on when a table gets another shape under them', async () => {
    await withOneConnection(async (db) => {
      await db.execute(sql`CREATE TABLE reshaped (id int, word text)`);
      await db.execute(sql`INSERT INTO reshaped VALUES (1, '7')`);
      const ask = () => db.execute(sql`SELECT word /* reshaped */ FROM reshaped WHERE id = ${1}::int`);
      for (let uses = 0; uses < 8; uses += 1) expect(await ask()).toMatchObject([{ word: '7' }]);
      await db.execute(sql`ALTER TABLE reshaped ADD more text, ALTER word TYPE int USING word::int`);
      expect(await ask()).toMatchObject([{ word: 7 }]);
      await db.execute(sql`DROP TABLE reshaped`);
    });
  });

  it('that fail do not spoil the ones after them', async () => {
    await withOneConnection(async (db) => {
      const divide = (by: number) =>
        db.execute<{ value: number }>(sql`SELECT /* by */ 6 / ${by}::int AS value`);
      for (let uses = 0; uses < 4; uses += 1) {
        await expect(divide(0)).rejects.toThrow();
        expect(await divide(2)).toMatchObject([{ value: 3 }]);
      }
    });
  });
});

describe('createPreparedTexts', () => {
  it('keeps a bounded number of texts, and no long one', () => {
    const texts = createPreparedTexts();
    const useOften = (text: string) => [texts.use(text), texts.use(text), texts.use(text)];
    expect(useOften('SELECT 1')).toEqual([false, false, true]);
    expect(useOften('x'.repeat(10_000))).toEqual([false, false, false]);
    let kept = 0;
    for (let index = 0; index < 1_000; index += 1) if (useOften(`SELECT ${index}, 1`)[2] === true) kept += 1;
    expect(kept).toBe(255);
    expect(texts.use('SELECT 1')).toBe(true);
  });
});
