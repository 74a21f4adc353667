import { randomUUID } from 'node:crypto';
import { eq, sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Executor } from '../../db/client.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { users } from '../../db/schema/users.ts';
import { domainError } from '../../domain/errors.ts';
import { JobDeferredError } from '../../jobs/handler.ts';
import { describeEachBackend } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { insertTestUser } from '../support/factories.ts';
import { gate } from '../support/gate.ts';
import {
  aborted,
  archivePayload,
  emptyQueueStore,
  makeStage,
  newJob,
  quickTimings,
  type Stage,
} from './job-stage.ts';

describeEachBackend('running jobs', (backend) => {
  let stage: Stage;
  const db = () => backend.database.db;
  beforeEach(() => {
    stage = makeStage(backend);
  });
  afterEach(() => stage.close());

  /** Counts effects in a way that a rolled back transaction does not. */
  const countUsers = async () => (await db().select().from(users)).length;
  const addUser = (tx: Executor) => insertTestUser(tx).then(() => undefined);

  it('runs a job once, with its result and settlement, however often it is delivered', async () => {
    const client = await stage.openClient();
    let runs = 0;
    const before = await countUsers();
    const handler = {
      'usage.measure': {
        run: async () => {
          runs += 1;
          return { result: { bytes: 3 }, settle: addUser };
        },
      },
    };
    await stage.openConsumer(client, handler);
    await stage.openConsumer(client, handler);
    const row = {
      id: await stage.submit(client),
      kind: 'usage.measure',
      volume: 'local',
      priority: 0,
      fence: 0,
    } as const;
    await Promise.all(Array.from({ length: 20 }, () => client.dispatcher.dispatchRows([row])));
    const job = await stage.ended(row.id);
    expect(job).toMatchObject({ state: 'succeeded', result: { bytes: 3 }, attempt: 0, errorCode: null });
    await client.dispatcher.dispatchRows([row]);
    const marker = await stage.submit(client);
    await stage.ended(marker);
    expect(runs).toBe(2);
    expect(await countUsers()).toBe(before + 2);
  });

  it('runs a failed job again after its backoff and counts the attempt', async () => {
    const client = await stage.openClient();
    const startedAt: number[] = [];
    await stage.openConsumer(client, {
      'usage.measure': {
        run: async ({ job }) => {
          startedAt.push(Date.now());
          if (job.attempt < 2) throw new Error('not yet: /secret/path');
          return { result: job.attempt };
        },
      },
    });
    const job = await stage.ended(await stage.submit(client));
    expect(job).toMatchObject({ state: 'succeeded', result: 2, attempt: 2, errorCode: null });
    const [first = 0, second = 0, third = 0] = startedAt;
    expect(second - first).toBeGreaterThan(400);
    expect(third - second).toBeGreaterThan(800);
  });

  it('leaves a job that waits for its next attempt alone, however often its first hand-over is delivered', async () => {
    const client = await stage.openClient();
    const startedAt: number[] = [];
    await stage.openConsumer(client, {
      'usage.measure': {
        run: async ({ job }) => {
          startedAt.push(Date.now());
          if (job.attempt === 0) throw new Error('not yet');
          return { result: null };
        },
      },
    });
    const id = await stage.submit(client);
    await eventually(async () => {
      if ((await stage.find(id)).attempt !== 1) throw new Error('The first run has not failed yet.');
    });
    const again = { id, kind: 'usage.measure', volume: 'local', priority: 100, fence: 0 } as const;
    await client.dispatcher.dispatchRows([again]);
    const job = await stage.ended(id);
    expect(job).toMatchObject({ state: 'succeeded', attempt: 1 });
    const [first = 0, second = 0] = startedAt;
    expect(startedAt).toHaveLength(2);
    expect(second - first).toBeGreaterThan(400);
  });

  it('ends a job as failed after its last attempt, gives back what it held once, and tells no internals', async () => {
    const client = await stage.openClient();
    const before = await countUsers();
    await stage.openConsumer(client, {
      'archive.build': {
        run: async () => {
          throw new Error('ENOENT /srv/volume/f/aa');
        },
        abandon: addUser,
      },
    });
    const id = await stage.submit(client, { kind: 'archive.build', payload: archivePayload });
    const job = await stage.ended(id);
    expect(job).toMatchObject({ state: 'failed', errorCode: 'internal', result: null });
    expect(job.errorDetail).not.toContain('/srv');
    expect(stage.log.events.filter(({ event }) => event === 'job.run-failed')).toHaveLength(3);
    expect(await countUsers()).toBe(before + 1);
  });

  it('ends a job at once when the domain refuses it for good', async () => {
    const client = await stage.openClient();
    await stage.openConsumer(client, {
      'usage.measure': {
        run: async () => {
          throw domainError('volume_full', 'The volume is full.');
        },
      },
    });
    const job = await stage.ended(await stage.submit(client));
    expect(job).toMatchObject({
      state: 'failed',
      errorCode: 'volume_full',
      errorDetail: 'The volume is full.',
    });
    expect(stage.log.events.filter(({ event }) => event === 'job.run-failed')).toHaveLength(1);
  });

  it('ends a job as failed whose workers were lost as often as it may be run, without running it', async () => {
    const client = await stage.openClient();
    let runs = 0;
    const before = await countUsers();
    const id = await db().transaction((tx) => client.enqueue(tx, newJob()));
    await db()
      .update(jobs)
      .set({
        state: 'running',
        attempt: 7,
        leaseUntil: sql`now() - interval '1 s'`,
        nextDispatchAt: sql`now()`,
      })
      .where(eq(jobs.id, id));
    await stage.openConsumer(client, {
      'usage.measure': {
        run: async () => {
          runs += 1;
          return { result: null };
        },
        abandon: addUser,
      },
    });
    expect(await stage.ended(id)).toMatchObject({ state: 'failed', errorCode: 'internal', attempt: 8 });
    expect(runs).toBe(0);
    expect(await countUsers()).toBe(before + 1);
  });

  it('cancels a waiting job without running it, before everything else that waits', async () => {
    const client = await stage.openClient();
    const busy = gate();
    const ran: string[] = [];
    const before = await countUsers();
    await stage.openConsumer(
      client,
      {
        'usage.measure': {
          run: async ({ job }) => {
            ran.push(job.id);
            await busy.opened;
            return { result: null };
          },
          abandon: addUser,
        },
      },
      { concurrency: { quota: 1 } },
    );
    const first = await stage.submit(client);
    await eventually(() => expect(ran).toEqual([first]));
    const second = await stage.submit(client);
    const third = await stage.submit(client);
    const cancelling = client.cancel(third);
    await eventually(async () => {
      const rows = await db().select().from(jobs).where(eq(jobs.id, third));
      expect(rows[0]?.cancelRequestedAt).not.toBeNull();
    });
    busy.open();
    await cancelling;
    expect(await stage.ended(third)).toMatchObject({ state: 'cancelled', startedAt: expect.any(Date) });
    await stage.ended(second);
    expect(ran).toEqual([first, second]);
    expect(await countUsers()).toBe(before + 1);
    await expect(client.cancel(third)).rejects.toMatchObject({ code: 'job_not_cancellable' });
    await expect(client.cancel(randomUUID())).rejects.toMatchObject({ code: 'not_found' });
  });

  it('cancels a running job by its signal and gives back what it held', async () => {
    const client = await stage.openClient();
    const started = gate();
    const before = await countUsers();
    await stage.openConsumer(client, {
      'usage.measure': {
        run: async ({ signal }) => {
          started.open();
          await aborted(signal);
          throw signal.reason;
        },
        abandon: addUser,
      },
    });
    const id = await stage.submit(client);
    await started.opened;
    expect(await client.cancel(id)).toMatchObject({ id, state: 'cancelled', errorCode: null });
    expect(await countUsers()).toBe(before + 1);
  });

  it('runs a deferred job again without counting an attempt', async () => {
    const client = await stage.openClient();
    let runs = 0;
    await stage.openConsumer(client, {
      'usage.measure': {
        run: async () => {
          runs += 1;
          if (runs <= 10) throw new JobDeferredError(20, 'The path is busy.');
          return { result: runs };
        },
      },
    });
    expect(await stage.ended(await stage.submit(client))).toMatchObject({
      state: 'succeeded',
      result: 11,
      attempt: 0,
    });
  });

  it('takes over a job whose lease ended and lets nothing of the late run stay', async () => {
    const frozen = makeStage(backend, { ...quickTimings, heartbeatMs: 60_000 });
    const late = gate();
    const lateEnded = gate();
    const before = await countUsers();
    const fencedErrors: unknown[] = [];
    try {
      const frozenClient = await frozen.openClient();
      // Busy with its only job, the late worker cannot be the one that takes it over.
      await frozen.openConsumer(
        frozenClient,
        {
          'usage.measure': {
            run: async ({ fenced }) => {
              await late.opened;
              await fenced(addUser).catch((error: unknown) => fencedErrors.push(error));
              lateEnded.open();
              return { result: 'late', settle: addUser };
            },
          },
        },
        { concurrency: { quota: 1 } },
      );
      const id = await frozen.submit(frozenClient);
      await eventually(async () => expect((await stage.find(id)).state).toBe('running'));
      await emptyQueueStore(backend);
      const client = await stage.openClient();
      await stage.openConsumer(client, {
        'usage.measure': {
          run: async ({ fenced, job }) => {
            await fenced(addUser, { step: 1 });
            return { result: `attempt ${job.attempt}`, settle: addUser };
          },
        },
      });
      expect(await stage.ended(id)).toMatchObject({ state: 'succeeded', result: 'attempt 1', attempt: 1 });
      late.open();
      await lateEnded.opened;
      await frozen.close();
      expect(fencedErrors).toMatchObject([{ name: 'LeaseLostError' }]);
      expect(await stage.find(id)).toMatchObject({ state: 'succeeded', result: 'attempt 1' });
      expect(await countUsers()).toBe(before + 2);
    } finally {
      late.open();
      await frozen.close();
    }
  });

  it('keeps a long job by extending its lease, and shows its progress', async () => {
    const client = await stage.openClient();
    const end = gate();
    let runs = 0;
    await stage.openConsumer(client, {
      'usage.measure': {
        run: async ({ report }) => {
          runs += 1;
          for (let entries = 1; entries <= 1_000; entries++)
            report({ entries, bytes: 2 * entries, of: null });
          await end.opened;
          return { result: null };
        },
      },
    });
    const id = await stage.submit(client);
    await eventually(async () => {
      expect((await stage.find(id)).progress).toEqual({ entries: 1_000, bytes: 2_000, of: null });
    });
    const leased = async () =>
      (await db().select().from(jobs).where(eq(jobs.id, id)))[0]?.leaseUntil?.getTime() ?? 0;
    const firstLease = await leased();
    await eventually(async () => expect(await leased()).toBeGreaterThan(firstLease + 2_000));
    end.open();
    expect(await stage.ended(id)).toMatchObject({ state: 'succeeded', attempt: 0 });
    expect(runs).toBe(1);
  });

  it('continues from the checkpoint and hands running jobs to another worker when it closes', async () => {
    const client = await stage.openClient();
    const started = gate();
    const leaving = await stage.openConsumer(client, {
      'usage.measure': {
        run: async ({ signal, fenced }) => {
          await fenced(async () => undefined, { step: 41 });
          started.open();
          await aborted(signal);
          throw signal.reason;
        },
      },
    });
    const id = await stage.submit(client);
    await started.opened;
    await stage.openConsumer(client, {
      'usage.measure': { run: async ({ job }) => ({ result: job.checkpoint }) },
    });
    await leaving.close(5_000);
    expect(await stage.ended(id)).toMatchObject({ state: 'succeeded', result: { step: 41 }, attempt: 0 });
  });

  it('leaves a handler behind that does not stop, and others finish its job', async () => {
    const client = await stage.openClient();
    const started = gate();
    const never = gate();
    const leaving = await stage.openConsumer(client, {
      'usage.measure': {
        run: async () => {
          started.open();
          await never.opened;
          return { result: 'late' };
        },
      },
    });
    const id = await stage.submit(client);
    await started.opened;
    await leaving.close(5_000);
    await stage.openConsumer(client, { 'usage.measure': { run: async () => ({ result: 'other' }) } });
    expect(await stage.ended(id)).toMatchObject({ state: 'succeeded', result: 'other' });
    never.open();
  });

  it('counts a settlement that fails as a failed run and keeps nothing of it', async () => {
    const client = await stage.openClient();
    const before = await countUsers();
    await stage.openConsumer(client, {
      'usage.measure': {
        run: async ({ job }) => ({
          result: null,
          settle: async (tx) => {
            await addUser(tx);
            if (job.attempt === 0) throw new Error('The invariant is broken.');
          },
        }),
      },
    });
    expect(await stage.ended(await stage.submit(client))).toMatchObject({ state: 'succeeded', attempt: 1 });
    expect(await countUsers()).toBe(before + 1);
  });

  it('ends a job whose payload no longer is what its kind says', async () => {
    const client = await stage.openClient();
    const id = await db().transaction((tx) => client.enqueue(tx, newJob()));
    await db()
      .update(jobs)
      .set({ payload: { unknown: true } })
      .where(eq(jobs.id, id));
    await stage.openConsumer(client, {});
    client.dispatch([id]);
    expect(await stage.ended(id)).toMatchObject({ state: 'failed', errorCode: 'internal' });
  });
});
