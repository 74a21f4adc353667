import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isTerminal } from '../../domain/job.ts';
import type { OpenJobClient } from '../../jobs/open-job-client.ts';
import { describeEachBackend } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { insertTestUser } from '../support/factories.ts';
import { gate } from '../support/gate.ts';
import { makeStage, newJob, type Stage } from './job-stage.ts';

describeEachBackend('who gets how much', (backend) => {
  let stage: Stage;
  let client: OpenJobClient;
  const db = () => backend.database.db;
  beforeEach(async () => {
    stage = makeStage(backend);
    client = await stage.openClient(['local']);
  });
  afterEach(() => stage.close());

  const enqueue = async (actorId: string | null, count: number) => {
    const ids: string[] = [];
    for (let index = 0; index < count; index += 1) {
      ids.push(await client.enqueue(db(), newJob({ actorId, kind: 'usage.measure' })));
    }
    return ids;
  };

  it('limits a queue over all workers while they run, tightens the limit and lifts it', async () => {
    const [queue] = client.admin.queues.filter(({ name }) => name === 'quota.local');
    if (queue === undefined) throw new Error('The queue is there.');
    const open = new Map<string, () => void>();
    let most = 0;
    const handler = {
      'usage.measure': {
        run: async ({ job }: { readonly job: { readonly id: string } }) => {
          const { opened, open: end } = gate();
          open.set(job.id, end);
          most = Math.max(most, open.size);
          await opened;
          open.delete(job.id);
          return { result: null };
        },
      },
    };
    const endOne = () => [...open.values()][0]?.();
    await client.admin.change(queue, { concurrencyMax: 3 });
    for (const _ of [1, 2]) {
      await stage.openConsumer(client, handler, { queues: ['quota'], concurrency: { quota: 4 } });
    }
    const ids = await enqueue(null, 24);
    client.dispatch(ids);
    await eventually(() => expect(open.size).toBe(3));
    const endedCount = async () => {
      const jobs = await Promise.all(ids.map(stage.find));
      return jobs.filter(({ state }) => isTerminal(state)).length;
    };
    for (let round = 1; round <= 6; round += 1) {
      endOne();
      await eventually(async () => expect([await endedCount(), open.size]).toEqual([round, 3]));
    }
    expect(most).toBe(3);
    await client.admin.change(queue, { concurrencyMax: 1 });
    for (const end of open.values()) end();
    await eventually(async () => expect([await endedCount(), open.size]).toEqual([9, 1]));
    most = 0;
    for (let round = 10; round <= 13; round += 1) {
      endOne();
      await eventually(async () => expect([await endedCount(), open.size]).toEqual([round, 1]));
    }
    expect(most).toBe(1);
    await client.admin.change(queue, { concurrencyMax: null });
    endOne();
    await eventually(() => expect(open.size).toBe(8));
    const ending = setInterval(() => endOne(), 1);
    await eventually(async () => expect(await endedCount()).toBe(24));
    clearInterval(ending);
  });

  it('lets what waited in a paused queue meet the limit that comes with its end', async () => {
    const [queue] = client.admin.queues.filter(({ name }) => name === 'quota.local');
    if (queue === undefined) throw new Error('The queue is there.');
    await client.admin.change(queue, { isPaused: true });
    let [running, most] = [0, 0];
    const handler = {
      'usage.measure': {
        run: async () => {
          running += 1;
          most = Math.max(most, running);
          // Others that are let in begin meanwhile.
          await Promise.all([stage.find(ids[0] ?? ''), stage.find(ids[1] ?? '')]);
          running -= 1;
          return { result: null };
        },
      },
    };
    await stage.openConsumer(client, handler, { queues: ['quota'], concurrency: { quota: 4 } });
    const ids = await enqueue(null, 12);
    client.dispatch(ids);
    await client.admin.change(queue, { isPaused: false, concurrencyMax: 1 });
    for (const id of ids)
      await eventually(async () => expect((await stage.find(id)).state).toBe('succeeded'));
    expect(most).toBe(1);
    await client.admin.change(queue, { concurrencyMax: null });
  });

  it('runs the job of a tenant who asks for little before the hundreds of one who asked earlier', async () => {
    const [busy, modest] = await Promise.all([insertTestUser(db()), insertTestUser(db())]);
    const many = await enqueue(busy, 300);
    await client.dispatcher.dispatchRows(
      many.map((id, index) => ({
        id,
        kind: 'usage.measure',
        volume: 'local',
        priority: Math.min(index, 200),
        fence: 0,
      })),
    );
    const order: (string | null)[] = [];
    const hold = gate();
    await stage.openConsumer(
      client,
      {
        'usage.measure': {
          run: async ({ job }) => {
            order.push(job.actorId);
            if (order.length === 5) await hold.opened;
            return { result: null };
          },
        },
      },
      { queues: ['quota'], concurrency: { quota: 1 } },
    );
    await eventually(() => expect(order).toHaveLength(5));
    const [id = ''] = await enqueue(modest, 1);
    const row = await db().execute(sql`SELECT priority FROM jobs WHERE id = ${id}`);
    expect(row[0]?.priority).toBe(0);
    await client.dispatcher.dispatchRows([
      { id, kind: 'usage.measure', volume: 'local', priority: 0, fence: 0 },
    ]);
    hold.open();
    await stage.ended(id);
    expect(order.indexOf(modest)).toBe(5);
  });
});
