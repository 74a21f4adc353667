import { randomUUID } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { notifyJob } from '../../db/notifications.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { describeEachBackend } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { gate } from '../support/gate.ts';
import { makeStage, newJob, type Stage } from './job-stage.ts';

describeEachBackend('waiting for a job', (backend) => {
  let stage: Stage;
  const db = () => backend.database.db;
  beforeEach(() => {
    stage = makeStage(backend);
  });
  afterEach(() => stage.close());

  it('answers the ended job', async () => {
    const client = await stage.openClient();
    await stage.openConsumer(client, { 'usage.measure': { run: async () => ({ result: 42 }) } });
    const id = await stage.submit(client);
    expect(await client.wait(id, { timeoutMs: 30_000 })).toMatchObject({
      id,
      state: 'succeeded',
      result: 42,
    });
    expect(await client.wait(id, { timeoutMs: 0 })).toMatchObject({ state: 'succeeded' });
  });

  it('answers who waits as soon as the job is handed over, also when it ends without a word or has ended', async () => {
    const client = await stage.openClient();
    const waitAtOnce = (jobId: string, timeoutMs: number) => {
      client.dispatch([jobId]);
      return client.wait(jobId, { timeoutMs });
    };
    const held = await stage.submit(client);
    expect(await waitAtOnce(held, 50)).toBeNull();
    expect(await waitAtOnce(randomUUID(), 0)).toBeNull();
    const waiting = waitAtOnce(held, 30_000);
    await db().update(jobs).set({ state: 'succeeded', finishedAt: new Date() }).where(eq(jobs.id, held));
    expect(await waiting).toMatchObject({ state: 'succeeded' });
    expect(await waitAtOnce(held, 30_000)).toMatchObject({ state: 'succeeded' });
  });

  it('answers many callers of many jobs', async () => {
    const client = await stage.openClient();
    await stage.openConsumer(client, {});
    const ids = await Promise.all(Array.from({ length: 30 }, () => stage.submit(client)));
    const ended = await Promise.all([...ids, ...ids].map((id) => client.wait(id, { timeoutMs: 30_000 })));
    expect(ended.map((job) => job?.state)).toEqual(ended.map(() => 'succeeded'));
  });

  it('answers null when the time is up, when the signal aborts, and for an unknown job', async () => {
    const client = await stage.openClient();
    const id = await db().transaction((tx) => client.enqueue(tx, newJob({ holdMs: 600_000 })));
    expect(await client.wait(id, { timeoutMs: 100 })).toBeNull();
    const controller = new AbortController();
    const waiting = client.wait(id, { timeoutMs: 60_000, signal: controller.signal });
    controller.abort();
    expect(await waiting).toBeNull();
    expect(await client.wait(id, { timeoutMs: 60_000, signal: AbortSignal.abort() })).toBeNull();
    expect(await client.wait(randomUUID(), { timeoutMs: 60_000 })).toBeNull();
  });

  it('sees the end of a job although nobody notifies, and although the listening connection was cut', async () => {
    const client = await stage.openClient();
    const id = await db().transaction((tx) => client.enqueue(tx, newJob({ holdMs: 600_000 })));
    const waiting = client.wait(id, { timeoutMs: 30_000 });
    await eventually(async () => {
      const cut = await db().execute(sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'vfolder-listen' AND datname = current_database()`);
      expect(cut.length).toBeGreaterThan(0);
    });
    await db().update(jobs).set({ state: 'succeeded', finishedAt: new Date() }).where(eq(jobs.id, id));
    expect(await waiting).toMatchObject({ state: 'succeeded' });
  });

  it('is woken by the notification and not by the poll', async () => {
    const client = await stage.openClient();
    const end = gate();
    await stage.openConsumer(client, {
      'usage.measure': {
        run: async () => {
          await end.opened;
          return { result: null };
        },
      },
    });
    const id = await stage.submit(client);
    const woken: (string | null)[] = [];
    const unsubscribe = client.notifications.subscribe(id, (word) => woken.push(word));
    // From the first word on that comes through, nothing gets lost.
    await eventually(async () => {
      await notifyJob(backend.database.db, id, 'hello');
      expect(woken).toContain('hello');
    });
    end.open();
    await eventually(() => expect(woken.at(-1)).toBe('succeeded'));
    unsubscribe();
  });
});
