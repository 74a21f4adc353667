import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { insertScheduledJobs } from '../../db/queries/job-schedules.ts';
import { deleteFinishedJobs, listJobs } from '../../db/queries/jobs.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { schedulesOf } from '../../jobs/schedules.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

describe('scheduled jobs', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.close());
  beforeEach(() => database.db.delete(jobs).where(sql`true`));

  const dayMs = 86_400_000;
  const daily = [{ kind: 'storage.sweep', volume: 'local', everyMs: dayMs, attemptsMax: 8 }] as const;

  it('exist for every kind with an interval and every volume', () => {
    const schedules = schedulesOf(['one', 'two']);
    expect(schedules.map(({ kind, volume }) => `${kind}:${volume}`)).toEqual(
      ['uploads.expire', 'archives.expire', 'trash.expire', 'storage.sweep', 'usage.schedule'].flatMap(
        (kind) => [`${kind}:one`, `${kind}:two`],
      ),
    );
  });

  it('are made once per span by any number of processes at once', async () => {
    const made = await Promise.all(
      Array.from({ length: 10 }, () => insertScheduledJobs(database.db, daily, 0)),
    );
    expect(made.flat()).toHaveLength(1);
    const [job] = await listJobs(database.db, { actorId: null, limit: 10 });
    expect(job).toMatchObject({ id: made.flat()[0], kind: 'storage.sweep', state: 'queued', actorId: null });
  });

  it('are not made again in the span although the last one has ended', async () => {
    const [id = ''] = await insertScheduledJobs(database.db, daily, 0);
    await database.db.update(jobs).set({ state: 'succeeded', finishedAt: new Date() }).where(eq(jobs.id, id));
    expect(await insertScheduledJobs(database.db, daily, 0)).toEqual([]);
  });

  it('are made again in the next span, but not while the last one is unfinished', async () => {
    const often = [{ ...daily[0], everyMs: 1 }];
    const [id = ''] = await insertScheduledJobs(database.db, often, 0);
    expect(await insertScheduledJobs(database.db, often, 0)).toEqual([]);
    await database.db.update(jobs).set({ state: 'failed', finishedAt: new Date() }).where(eq(jobs.id, id));
    expect(await insertScheduledJobs(database.db, often, 0)).toHaveLength(1);
  });

  it('sort by time among the other jobs', async () => {
    const [id = ''] = await insertScheduledJobs(database.db, daily, 0);
    expect(Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).toBe(
      Math.floor(Date.now() / dayMs) * dayMs,
    );
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('leave the history when they ended long ago, oldest first and in bounded numbers', async () => {
    await database.db.execute(sql`INSERT INTO jobs (id, kind, volume, payload, attempts_max, state, finished_at)
      SELECT gen_random_uuid(), 'storage.sweep', 'local', '{}', 1, 'succeeded', now() - make_interval(days => n)
      FROM generate_series(1, 40) AS n`);
    await database.db.execute(sql`INSERT INTO jobs (id, kind, volume, payload, attempts_max, created_at)
      VALUES (gen_random_uuid(), 'storage.sweep', 'local', '{}', 1, now() - interval '90 days')`);
    expect(await deleteFinishedJobs(database.db, { olderThanDays: 30, limit: 7 })).toBe(7);
    expect(await deleteFinishedJobs(database.db, { olderThanDays: 30, limit: 7 })).toBe(4);
    const open = eq(jobs.state, 'queued');
    expect(await database.db.select().from(jobs)).toHaveLength(30);
    expect(await database.db.select().from(jobs).where(open)).toHaveLength(1);
  });
});
