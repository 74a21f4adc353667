import { randomUUID } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Database, type Executor, openDatabase } from '../../db/client.ts';
import { failureOf } from '../../db/failure.ts';
import { settings } from '../../db/schema/settings.ts';
import { users } from '../../db/schema/users.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { eventually } from '../support/eventually.ts';
import { insertTestUser } from '../support/factories.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.close());

/** What a promise is rejected with. */
async function failure(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
}

async function cut(tx: Executor): Promise<void> {
  const [row] = await tx.execute<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`);
  await database.db.execute(sql`SELECT pg_terminate_backend(${row?.pid}::int)`);
}

async function add(db: Executor, ...names: readonly string[]): Promise<void> {
  for (const name of names) await db.insert(settings).values({ name, value: '' });
}

async function findNames(mark: string): Promise<string[]> {
  const rows = await database.db
    .select({ name: settings.name })
    .from(settings)
    .where(sql`starts_with(${settings.name}, ${mark})`)
    .orderBy(settings.name);
  return rows.map(({ name }) => name.slice(mark.length));
}

/** Runs `work` with a pool of one connection, so that a lost one is followed by its replacement at once. */
async function withOneConnection(work: (db: Database) => Promise<void>): Promise<void> {
  const client = openDatabase({ url: database.url, connectionsMax: 1, applicationName: 'vfolder-test' });
  try {
    await work(client.db);
  } finally {
    await client.close(1);
  }
}

it('takes the locks of a process that hangs in a transaction', async () => {
  const { db } = database;
  const [setting] = await db.execute(sql`SHOW idle_in_transaction_session_timeout`);
  expect(setting).toEqual({ idle_in_transaction_session_timeout: '30s' });
  const id = await insertTestUser(db);
  const hung = db.transaction(async (tx) => {
    await tx.execute(sql`SET LOCAL idle_in_transaction_session_timeout = '50ms'`);
    await tx.select().from(users).where(eq(users.id, id)).for('update');
    // Resolves when the lock is gone.
    await db.update(users).set({ isActive: false }).where(eq(users.id, id));
    await tx.update(users).set({ isActive: true }).where(eq(users.id, id));
  });
  expect(failureOf(await failure(hung))).toBe('lost');
  const rows = await db.select({ isActive: users.isActive }).from(users).where(eq(users.id, id));
  expect(rows).toEqual([{ isActive: false }]);
});

it('runs nothing of a transaction outside it once its connection is lost', async () => {
  await withOneConnection(async (db) => {
    const mark = randomUUID();
    let end: (() => void) | undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const lost = db.transaction(async (tx) => {
      await add(tx, `${mark}before`);
      await cut(tx);
      await add(db, `${mark}beside`);
      await add(tx, `${mark}after`).finally(end);
    });
    expect(failureOf(await failure(lost))).toBe('lost');
    await ended;
    await add(db, `${mark}last`);
    expect(await findNames(mark)).toEqual(['beside', 'last']);
  });
});

it.each(['returns', 'throws'])('leaves the next transaction alone when a lost one %s late', async (how) => {
  await withOneConnection(async (db) => {
    const mark = randomUUID();
    let goOn: (() => void) | undefined;
    const late = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const lost = db.transaction(async (tx) => {
      await add(tx, `${mark}lost`);
      await cut(tx);
      await late;
      if (how === 'throws') throw new Error('Late.');
    });
    expect(failureOf(await failure(lost))).toBe('lost');
    const next = db.transaction(async (tx) => {
      await add(tx, `${mark}a`);
      goOn?.();
      // Long enough for a COMMIT or ROLLBACK of the other to arrive in between.
      await tx.execute(sql`SELECT pg_sleep(0.2)`);
      await add(tx, `${mark}b`);
      if (how === 'returns') throw new Error('Rolled back.');
    });
    expect(await failure(next)).toEqual(how === 'returns' ? new Error('Rolled back.') : undefined);
    expect(await findNames(mark)).toEqual(how === 'returns' ? [] : ['a', 'b']);
  });
});

describe('after the connections were ended during statements', () => {
  const broken = async (work: (db: Database) => Promise<void>) => {
    await withOneConnection(async (db) => {
      const [row] = await db.execute<{ pid: number }>(sql`SELECT pg_backend_pid() AS pid`);
      const hung = failure(Promise.resolve(db.execute(sql`SELECT pg_sleep(60)`)));
      await eventually(async () => {
        const [ended] = await database.db.execute<{ ended: boolean }>(sql`
          SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
          WHERE pid = ${row?.pid}::int AND query LIKE 'SELECT pg_sleep%'`);
        if (ended?.ended !== true) throw new Error('The statement is not running yet.');
      });
      expect(failureOf(await hung)).toBe('lost');
      await work(db);
    });
  };

  it('sends the next statement', async () => {
    await broken(async (db) => {
      expect(await db.execute(sql`SELECT 1 AS one`)).toEqual([{ one: 1 }]);
    });
  });

  it('sends the next select', async () => {
    await broken(async (db) => {
      expect(
        await db.select({ name: settings.name }).from(settings).where(eq(settings.name, 'none')),
      ).toEqual([]);
    });
  });

  it('begins the next transaction, once', async () => {
    await broken(async (db) => {
      const mark = randomUUID();
      let calls = 0;
      await db.transaction(async (tx) => {
        calls += 1;
        await add(tx, `${mark}a`);
      });
      expect(calls).toBe(1);
      expect(await findNames(mark)).toEqual(['a']);
    });
  });

  it('tells of a connection that is ended again', async () => {
    await broken(async (db) => {
      const lost = db.transaction(async (tx) => {
        await cut(tx);
        await tx.execute(sql`SELECT 1`);
      });
      expect(failureOf(await failure(lost))).toBe('lost');
    });
  });
});
