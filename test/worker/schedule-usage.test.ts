import { eq, sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { takeDueMeasures } from '../../db/queries/measure.ts';
import { folders } from '../../db/schema/folders.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { describeEachBackend } from '../support/backends.ts';
import { insertTestFolder } from '../support/factories.ts';
import { makeWorkStage, type WorkStage } from './work-stage.ts';

const longAgo = sql`now() - interval '1 hour'`;

describeEachBackend('asking for measurements', (backend) => {
  let stage: WorkStage;
  const db = () => backend.database.db;
  beforeEach(async () => {
    await db().delete(jobs).where(sql`true`);
    await db().update(folders).set({ state: 'purged' }).where(sql`true`);
    stage = await makeWorkStage(backend);
  });
  afterEach(() => stage.close());

  const schedule = async () => {
    const id = await stage.jobs.submit(stage.client, { kind: 'usage.schedule', payload: {} });
    return await stage.jobs.ended(id);
  };
  const openMeasures = async () =>
    (await db().select().from(jobs).where(sql`kind = 'usage.measure'`)).map(({ folderId }) => folderId);

  async function makeDue(count: number): Promise<void> {
    for (let made = 0; made < count; made += 1) {
      const { id } = await insertTestFolder(db(), { ownerId: stage.ownerId });
      await db().update(folders).set({ usageDueAt: longAgo }).where(eq(folders.id, id));
    }
  }

  it('asks once for every folder that is due, and not for others', async () => {
    await makeDue(5);
    const elsewhere = await insertTestFolder(db(), { ownerId: stage.ownerId, volume: 'other' });
    await db().update(folders).set({ usageDueAt: longAgo }).where(eq(folders.id, elsewhere.id));
    await stage.jobs.openConsumer(stage.client, stage.handlers(), {
      queues: ['quota'],
      concurrency: { quota: 1 },
    });
    expect(await schedule()).toMatchObject({ state: 'succeeded', result: { requested: 5 } });
    expect(await schedule()).toMatchObject({ state: 'succeeded', result: { requested: 0 } });
    const asked = await openMeasures();
    expect(new Set(asked).size).toBe(5);
    expect(asked).not.toContain(stage.folderId);
    expect(asked).not.toContain(elsewhere.id);
  });

  it('takes the most overdue first and each once, however many ask at a time', async () => {
    await makeDue(12);
    await db()
      .update(folders)
      .set({ usageDueAt: sql`now() - interval '2 days'` })
      .where(eq(folders.id, stage.folderId));
    const query = { volume: 'local', limit: 5 };
    const first = await takeDueMeasures(db(), { ...query, limit: 1 });
    expect(first).toEqual([stage.folderId]);
    const taken = await Promise.all([1, 2, 3, 4].map(() => takeDueMeasures(db(), query)));
    const rest = await takeDueMeasures(db(), { ...query, limit: 50 });
    const all = [...taken.flat(), ...rest];
    expect([all.length, new Set(all).size]).toEqual([12, 12]);
    expect(await takeDueMeasures(db(), query)).toEqual([]);
  });

  it('finds what is due by an index, among any number of folders that are not', async () => {
    await db().execute(sql`
      INSERT INTO folders (id, owner_id, volume, quota_bytes, quota_files)
      SELECT gen_random_uuid(), ${stage.ownerId}, 'local', 1, 1 FROM generate_series(1, 5000)`);
    await db().execute(sql`ANALYZE folders`);
    const plan = await db().execute(sql`
      EXPLAIN SELECT id FROM folders WHERE volume = 'local' AND state = 'active' AND usage_due_at <= now()
      ORDER BY usage_due_at LIMIT 500`);
    expect(JSON.stringify(plan)).toContain('folders_usage_due_idx');
  });
});
