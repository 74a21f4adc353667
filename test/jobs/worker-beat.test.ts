import { sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { notifyJob } from '../../db/notifications.ts';
import { listWorkers, updateWorkerDrain } from '../../db/queries/workers.ts';
import type { Consumer } from '../../jobs/consumer.ts';
import type { OpenJobClient } from '../../jobs/open-job-client.ts';
import { workerGoneMs } from '../../jobs/timings.ts';
import { startWorkerBeat, type WorkerBeat } from '../../jobs/worker-beat.ts';
import { describeEachBackend } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { gate } from '../support/gate.ts';
import { makeStage, type Stage } from './job-stage.ts';

describeEachBackend('the sign of life of a worker', (backend) => {
  let stage: Stage;
  let client: OpenJobClient;
  const beats: WorkerBeat[] = [];
  const db = () => backend.database.db;
  beforeEach(async () => {
    stage = makeStage(backend);
    client = await stage.openClient();
  });
  afterEach(async () => {
    await Promise.all(beats.splice(0).map((beat) => beat.close()));
    await stage.close();
  });

  async function startBeat(consumer: Consumer, beatMs = 100): Promise<WorkerBeat> {
    const beat = await startWorkerBeat({
      db: db(),
      notifications: client.notifications,
      consumer,
      version: '1.2.3',
      timings: { beatMs },
      logger: stage.log,
    });
    beats.push(beat);
    return beat;
  }
  const rowOf = async (id: string) =>
    (await listWorkers(db(), workerGoneMs)).find((worker) => worker.id === id);
  const setDrain = async (id: string, isDraining: boolean) => {
    await updateWorkerDrain(db(), { id, isDraining });
    await notifyJob(db(), id, 'beat');
  };

  it('shows what the worker takes and runs, and goes with it', async () => {
    const open = gate();
    const handler = { 'usage.measure': { run: () => open.opened.then(() => ({ result: null })) } };
    const consumer = await stage.openConsumer(client, handler, {
      queues: ['quota', 'copy'],
      concurrency: { quota: 3 },
    });
    const beat = await startBeat(consumer);
    expect(await rowOf(consumer.id)).toMatchObject({
      pid: process.pid,
      version: '1.2.3',
      queues: ['quota', 'copy'],
      volumes: ['local'],
      concurrency: { quota: 3, copy: 2 },
      jobIds: [],
      takesJobs: true,
      isDraining: false,
    });
    const id = await stage.submit(client);
    await eventually(async () => expect((await rowOf(consumer.id))?.jobIds).toEqual([id]));
    open.open();
    await eventually(async () => expect((await rowOf(consumer.id))?.jobIds).toEqual([]));
    await beat.close();
    expect(await rowOf(consumer.id)).toBeUndefined();
  });

  it('drains: what runs is finished, what comes goes to others, and later it takes jobs again', async () => {
    const open = gate();
    const ran: string[] = [];
    const handlerOf = (name: string) => ({
      'usage.measure': {
        run: async ({ job }: { readonly job: { readonly id: string } }) => {
          ran.push(`${name} ${job.id}`);
          if (ran.length === 1) await open.opened;
          return { result: name };
        },
      },
    });
    const consumer = await stage.openConsumer(client, handlerOf('one'), { queues: ['quota'] });
    await startBeat(consumer, 60_000);
    const first = await stage.submit(client);
    await eventually(() => expect(ran).toHaveLength(1));
    await setDrain(consumer.id, true);
    await eventually(async () =>
      expect(await rowOf(consumer.id)).toMatchObject({ takesJobs: false, jobIds: [first] }),
    );
    const second = await stage.submit(client);
    const other = await stage.openConsumer(client, handlerOf('other'), { queues: ['quota'] });
    expect(await stage.ended(second)).toMatchObject({ state: 'succeeded', result: 'other', attempt: 0 });
    open.open();
    expect(await stage.ended(first)).toMatchObject({ state: 'succeeded', result: 'one', attempt: 0 });
    await other.close(5_000);
    const third = await stage.submit(client);
    await setDrain(consumer.id, false);
    expect(await stage.ended(third)).toMatchObject({ state: 'succeeded', result: 'one' });
    expect(ran).toEqual([`one ${first}`, `other ${second}`, `one ${third}`]);
  });

  it('sweeps workers that have fallen silent, and comes back itself when it was swept', async () => {
    const consumer = await stage.openConsumer(client, {}, { queues: ['quota'] });
    const dead = uuidv7();
    await startBeat(consumer);
    const age = (id: string) =>
      db().execute(sql`UPDATE workers SET beat_at = now() - interval '31 seconds' WHERE id = ${id}`);
    await db().execute(sql`INSERT INTO workers (id, host, pid, version, queues, volumes, concurrency, job_ids, takes_jobs, started_at)
      VALUES (${dead}, 'gone', 1, '1', '{quota}', '{local}', '{}', '{}', true, now())`);
    await age(dead);
    await eventually(async () => {
      const rows = await db().execute(sql`SELECT id FROM workers`);
      expect(rows.map(({ id }) => id)).toEqual([consumer.id]);
    });
    await db().execute(sql`DELETE FROM workers`);
    await eventually(async () => expect(await rowOf(consumer.id)).toMatchObject({ takesJobs: true }));
  });
});
