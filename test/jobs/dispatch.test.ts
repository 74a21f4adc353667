import { eq, sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { jobs } from '../../db/schema/jobs.ts';
import { describeEachBackend } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { insertTestUser } from '../support/factories.ts';
import { emptyQueueStore, makeStage, newJob, removeQueueStore, type Stage } from './job-stage.ts';

describeEachBackend('dispatching jobs', (backend) => {
  let stage: Stage;
  const db = () => backend.database.db;
  beforeEach(() => {
    stage = makeStage(backend);
  });
  afterEach(() => stage.close());

  const counting = () => {
    const runs = new Map<string, number>();
    return {
      runs,
      handlers: {
        'usage.measure': {
          run: async ({ job }: { job: { id: string } }) => {
            runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
            return { result: null };
          },
        },
      },
    };
  };

  it('accepts jobs while the queue store is away and runs them after its return', async () => {
    const client = await stage.openClient();
    const { runs, handlers } = counting();
    await stage.openConsumer(client, handlers);
    await stage.ended(await stage.submit(client));
    const restore = await removeQueueStore(backend);
    const ids = await Promise.all(Array.from({ length: 10 }, () => stage.submit(client)));
    for (const id of ids) expect((await stage.find(id)).state).toBe('queued');
    await restore();
    for (const id of ids) expect(await stage.ended(id)).toMatchObject({ state: 'succeeded', attempt: 0 });
    for (const id of ids) expect(runs.get(id)).toBe(1);
  });

  it('starts while the queue store is away', async () => {
    const restore = await removeQueueStore(backend);
    const client = await stage.openClient();
    const id = await stage.submit(client);
    const consumer = stage.openConsumer(client, {});
    await eventually(() => expect(stage.log.events.length).toBeGreaterThan(0));
    await restore();
    await consumer;
    expect(await stage.ended(id)).toMatchObject({ state: 'succeeded' });
  });

  it('runs every waiting job once although the queue store forgets all of them', async () => {
    const client = await stage.openClient();
    const ids = await Promise.all(Array.from({ length: 100 }, () => stage.submit(client)));

    await emptyQueueStore(backend);
    const { runs, handlers } = counting();
    await stage.openConsumer(client, handlers);
    await emptyQueueStore(backend);
    for (const id of ids) expect(await stage.ended(id)).toMatchObject({ state: 'succeeded', attempt: 0 });
    for (const id of ids) expect(runs.get(id)).toBe(1);
  });

  it('runs a job that was never dispatched', async () => {
    const client = await stage.openClient();
    await stage.openConsumer(client, {});
    const id = await db().transaction((tx) => client.enqueue(tx, newJob()));
    expect(await stage.ended(id)).toMatchObject({ state: 'succeeded' });
  });

  it('leaves a held job alone until it is released', async () => {
    const client = await stage.openClient();
    await stage.openConsumer(client, {});
    const id = await db().transaction((tx) => client.enqueue(tx, newJob({ holdMs: 600_000 })));
    const marker = await db().transaction((tx) => client.enqueue(tx, newJob()));
    await stage.ended(marker);
    expect((await stage.find(id)).state).toBe('queued');
    await db().transaction((tx) => client.release(tx, id));
    client.dispatch([id]);
    expect(await stage.ended(id)).toMatchObject({ state: 'succeeded' });
  });

  it('makes nothing of a job whose transaction is rolled back', async () => {
    const client = await stage.openClient();
    const before = await db().select().from(jobs);
    const rolledBack = db().transaction(async (tx) => {
      await client.enqueue(tx, newJob());
      throw new Error('no');
    });
    await expect(rolledBack).rejects.toThrow('no');
    expect(await db().select().from(jobs)).toHaveLength(before.length);
  });

  it('answers the unfinished job with the same key, also to callers at the same time, and makes a new one afterwards', async () => {
    const client = await stage.openClient();
    const keyed = () => stage.submit(client, { dedupeKey: 'usage.measure:folder' });
    const ids = await Promise.all(Array.from({ length: 8 }, keyed));
    expect(new Set(ids).size).toBe(1);
    await stage.openConsumer(client, {});
    const [id = ''] = ids;
    await stage.ended(id);
    expect(await keyed()).not.toBe(id);
  });

  it('lets an actor with much outstanding work come after others, up to a bound', async () => {
    const client = await stage.openClient();
    const actorId = await insertTestUser(db());
    const otherId = await insertTestUser(db());
    const ids: string[] = [];
    for (let count = 0; count < 3; count++) {
      ids.push(await db().transaction((tx) => client.enqueue(tx, newJob({ actorId, holdMs: 600_000 }))));
    }
    ids.push(
      await db().transaction((tx) => client.enqueue(tx, newJob({ actorId: otherId, holdMs: 600_000 }))),
    );
    const priorities = new Map((await db().select().from(jobs)).map((row) => [row.id, row.priority]));
    expect(ids.map((id) => priorities.get(id))).toEqual([0, 1, 2, 0]);
    await db().execute(sql`INSERT INTO jobs (id, kind, volume, actor_id, payload, attempts_max, next_dispatch_at)
      SELECT gen_random_uuid(), 'usage.measure', 'local', ${actorId}, '{}', 1, now() + interval '1 h' FROM generate_series(1, 300)`);
    const late = await db().transaction((tx) => client.enqueue(tx, newJob({ actorId, holdMs: 600_000 })));
    const row = (await db().select().from(jobs).where(eq(jobs.id, late)))[0];
    expect(row?.priority).toBe(200);
  });

  it('refuses a payload that is not what the kind says', async () => {
    const client = await stage.openClient();
    const job = { ...newJob({ kind: 'trash.purge' }), payload: { trashId: 'no uuid' } };
    await expect(db().transaction((tx) => client.enqueue(tx, job))).rejects.toThrow();
  });
});
