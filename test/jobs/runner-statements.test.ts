import { eq, sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { jobs } from '../../db/schema/jobs.ts';
import { shareStatements } from '../../jobs/runner-statements.ts';
import { usualTimings } from '../../jobs/timings.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ connectionsMax: 8 });
});
afterAll(() => database.close());

const open = (owner: string) => shareStatements({ db: database.db, owner, timings: usualTimings });

/** A job as it is handed over first. */
const fresh = (id: string) => ({ id, handedFence: 0 });

async function newJobs(count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => uuidv7());
  const row = { kind: 'upload.commit', volume: 'local', payload: {}, attemptsMax: 1 } as const;
  await database.db.insert(jobs).values(ids.map((id) => ({ ...row, id })));
  return ids;
}

it('claims every job once, however often and by whom it is asked for at the same time', async () => {
  const ids = await newJobs(30);
  const workers = [open('one'), open('two')];
  const rows = await Promise.all(
    workers.flatMap((worker) => [...ids, ...ids].map((id) => worker.claim(fresh(id)))),
  );
  const claimed = rows.filter((row) => row !== null);
  expect(claimed.map(({ id }) => id).sort()).toEqual(ids.toSorted());
  expect(new Set(claimed.map(({ fence }) => fence))).toEqual(new Set([1]));
  expect(await workers[0]?.claim(fresh(uuidv7()))).toBeNull();
});

it('makes nobody wait for a row that is locked but the one who wants it', async () => {
  const [locked = '', free = ''] = await newJobs(2);
  const worker = open('one');
  let waiting: Promise<unknown> | undefined;
  await database.db.transaction(async (tx) => {
    await tx.select().from(jobs).where(eq(jobs.id, locked)).for('update');
    waiting = worker.claim(fresh(locked));
    expect(await worker.claim(fresh(free))).toMatchObject({ id: free, fence: 1 });
  });
  expect(await waiting).toMatchObject({ id: locked, fence: 1 });
});

it('takes over a run whose lease ended, which counts as an attempt, and no other', async () => {
  const [dead = '', alive = ''] = await newJobs(2);
  const worker = open('one');
  await Promise.all([worker.claim(fresh(dead)), worker.claim(fresh(alive))]);
  await database.db
    .update(jobs)
    .set({ leaseUntil: sql`now() - interval '1 second'` })
    .where(eq(jobs.id, dead));
  const other = open('two');
  expect(await Promise.all([other.claim(fresh(dead)), other.claim(fresh(alive))])).toMatchObject([
    { id: dead, fence: 2, attempt: 1 },
    null,
  ]);
});
