import { Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dumpTables } from '../../db/copy-tables.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

it.each([1, 40, 400, 4_000, 40_000])(
  'writes a table of %d rows whole to a sink that is slow',
  async (count) => {
    await database.db.execute(sql`DELETE FROM settings WHERE name LIKE 'row-%'`);
    await database.db.execute(sql`
    INSERT INTO settings (name, value) SELECT 'row-' || n, repeat('x', 400) FROM generate_series(1, ${count}) AS n`);
    const written = new Map<string, number>();
    const openSink = (table: string) =>
      new Writable({
        highWaterMark: 1,
        write: (chunk: Buffer, _encoding, done) => {
          const lines = chunk.toString().split('\n').length - 1;
          written.set(table, (written.get(table) ?? 0) + lines);
          void turn().then(() => done());
        },
      });
    const { tables } = await dumpTables(database.url, openSink);
    expect(tables.map(({ name }) => name)).toContain('settings');
    expect(written.get('settings')).toBeGreaterThanOrEqual(count);
  },
  30_000,
);
