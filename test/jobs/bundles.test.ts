import { uuidv7 } from 'uuidv7';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { domainError } from '../../domain/errors.ts';
import { isTerminal } from '../../domain/job.ts';
import { bundleMax, bundleRows, makeSlots } from '../../jobs/bundles.ts';
import { JobDeferredError } from '../../jobs/handler.ts';
import type { OpenJobClient } from '../../jobs/open-job-client.ts';
import { describeEachBackend } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { gate } from '../support/gate.ts';
import { aborted, makeStage, newJob, type Stage } from './job-stage.ts';

const rowOf = (id: string, given: Partial<Parameters<typeof bundleRows>[0][number]> = {}) => {
  return { id, kind: 'upload.commit', volume: 'local', priority: 0, fence: 0, ...given } as const;
};
const idsOf = (bundles: ReturnType<typeof bundleRows>) => bundles.map((rows) => rows.map(({ id }) => id));

describe('cutting rows into bundles', () => {
  it('puts short work together, as much as fits, and every row into one bundle', () => {
    const rows = Array.from({ length: bundleMax + 3 }, (_, index) => rowOf(`${index}`));
    const bundles = bundleRows(rows);
    expect(bundles.map(({ length }) => length)).toEqual([bundleMax, 3]);
    expect(idsOf(bundles).flat()).toEqual(rows.map(({ id }) => id));
  });

  it('leaves other work, and what was claimed before, by itself', () => {
    const rows = [
      rowOf('a'),
      rowOf('lost', { fence: 1 }),
      rowOf('move', { kind: 'entry.move' }),
      rowOf('b'),
      rowOf('other', { kind: 'entry.move' }),
    ];
    expect(idsOf(bundleRows(rows))).toEqual([['a', 'b'], ['lost'], ['move'], ['other']]);
  });

  it('takes no row along with one that is far more urgent', () => {
    const rows = [rowOf('late', { priority: 200 }), rowOf('first'), rowOf('second', { priority: 3 })];
    expect(idsOf(bundleRows(rows))).toEqual([['first', 'second'], ['late']]);
  });
});

describe('slots', () => {
  it('never lets more go on than there are, whatever fails, and lets everyone go on', async () => {
    const slots = makeSlots(3);
    let running = 0;
    let most = 0;
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) =>
        slots.run(async () => {
          running += 1;
          most = Math.max(most, running);
          await new Promise((resolve) => setImmediate(resolve));
          running -= 1;
          if (index % 5 === 0) throw new Error('It failed.');
        }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(10);
    expect([most, running]).toEqual([3, 0]);
  });
});

describeEachBackend('work that travels together', (backend) => {
  let stage: Stage;
  let client: OpenJobClient;
  beforeEach(async () => {
    stage = makeStage(backend);
    client = await stage.openClient(['local']);
  });
  afterEach(() => stage.close());

  /** Makes jobs whose ids say in which order, and hands them over at once. */
  const submitTogether = async (count: number) => {
    const jobs = Array.from({ length: count }, () =>
      newJob({ id: uuidv7(), kind: 'upload.commit', payload: { uploadId: uuidv7() } }),
    );
    const ids = await backend.database.db.transaction((tx) => client.enqueueEach(tx, jobs));
    client.dispatch(ids);
    return ids;
  };
  /** A handler that holds every run until it is let go. */
  const holding = () => {
    const open = new Map<string, () => void>();
    const runs = new Map<string, number>();
    let most = 0;
    return {
      open,
      runs,
      most: () => most,
      endOne: () => [...open.values()][0]?.(),
      handlers: {
        'upload.commit': {
          run: async ({ job, signal }: { job: { id: string }; signal: AbortSignal }) => {
            runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
            const { opened, open: end } = gate();
            open.set(job.id, end);
            most = Math.max(most, open.size);
            try {
              await Promise.race([opened, aborted(signal)]);
              signal.throwIfAborted();
            } finally {
              open.delete(job.id);
            }
            return { result: null };
          },
        },
      },
    };
  };
  const endedOf = async (ids: readonly string[]) => {
    const jobs = await Promise.all(ids.map(stage.find));
    return jobs.filter(({ state }) => isTerminal(state)).map(({ id }) => id);
  };

  it('gives every job an end of its own: one fails, one comes again later, the others are done', async () => {
    const runs = new Map<string, number>();
    let ids: readonly string[] = [];
    await stage.openConsumer(client, {
      'upload.commit': {
        run: async ({ job }) => {
          const run = (runs.get(job.id) ?? 0) + 1;
          runs.set(job.id, run);
          if (job.id === ids[1]) throw domainError('entry_conflict', 'Something is in the way.');
          if (job.id === ids[2] && run === 1) throw new JobDeferredError(50, 'Not yet.');
          return { result: { id: job.id } };
        },
      },
    });
    ids = await submitTogether(6);
    const jobs = await Promise.all(ids.map(stage.ended));
    expect(jobs.map(({ state }) => state)).toEqual(
      ids.map((_, index) => (index === 1 ? 'failed' : 'succeeded')),
    );
    expect(jobs[1]).toMatchObject({ errorCode: 'entry_conflict', attempt: 0 });
    expect(jobs[3]).toMatchObject({ result: { id: ids[3] }, attempt: 0 });
    expect(ids.map((id) => runs.get(id))).toEqual([1, 1, 2, 1, 1, 1]);
  });

  it('tells of the end of a job while another one of its bundle goes on', async () => {
    const { handlers, open } = holding();
    await stage.openConsumer(client, handlers);
    const [first = '', second = ''] = await submitTogether(2);
    await eventually(() => expect(open.size).toBe(2));
    open.get(second)?.();
    await stage.ended(second);
    expect((await stage.find(first)).state).toBe('running');
    open.get(first)?.();
    await stage.ended(first);
  });

  it('runs no more of a bundle at a time than the worker runs of the queue', async () => {
    const { handlers, open, most, endOne } = holding();
    await stage.openConsumer(client, handlers, { queues: ['upload'], concurrency: { upload: 2 } });
    const ids = await submitTogether(7);
    for (let left = ids.length; left > 0; left -= 1) {
      await eventually(() => expect(open.size).toBe(Math.min(2, left)));
      endOne();
      await eventually(async () => expect(await endedOf(ids)).toHaveLength(ids.length - left + 1));
    }
    expect(most()).toBe(2);
  });

  it('runs one of a bundle at a time where an operator limits the queue', async () => {
    const [queue] = client.admin.queues.filter(({ name }) => name === 'upload.local');
    if (queue === undefined) throw new Error('The queue is there.');
    const { handlers, open, most, endOne } = holding();
    const ids = await submitTogether(5);
    await client.admin.change(queue, { concurrencyMax: 1 });
    await stage.openConsumer(client, handlers, { queues: ['upload'] });
    for (let ended = 1; ended <= ids.length; ended += 1) {
      await eventually(() => expect(open.size).toBe(1));
      endOne();
      await eventually(async () => expect(await endedOf(ids)).toHaveLength(ended));
    }
    expect(most()).toBe(1);
    await client.admin.change(queue, { concurrencyMax: null });
  });

  it('hands back what a stopping worker has not done, and does nothing twice', async () => {
    const { handlers, open, runs } = holding();
    const leaving = await stage.openConsumer(client, handlers);
    const ids = await submitTogether(8);
    await eventually(() => expect(open.size).toBe(8));
    const done = ids.slice(0, 3);
    for (const id of done) open.get(id)?.();
    await Promise.all(done.map(stage.ended));
    await leaving.close(5_000);
    const left = ids.slice(3);
    for (const id of left) expect(await stage.find(id)).toMatchObject({ state: 'queued', attempt: 0 });
    const staying = holding();
    await stage.openConsumer(client, staying.handlers);
    await eventually(() => expect(staying.open.size).toBe(left.length));
    for (const end of staying.open.values()) end();
    await Promise.all(left.map(stage.ended));
    for (const id of done) expect([runs.get(id), staying.runs.get(id)]).toEqual([1, undefined]);
    for (const id of left) expect(staying.runs.get(id)).toBe(1);
  });

  it('runs what comes once more by itself, when its row says so, although its bundle still goes on', async () => {
    const { handlers, open, runs } = holding();
    await stage.openConsumer(client, handlers);
    const [first = '', second = ''] = await submitTogether(2);
    await eventually(() => expect(open.size).toBe(2));
    await client.dispatcher.dispatchRows([rowOf(first), rowOf(second)]);
    open.get(first)?.();
    open.get(second)?.();
    await Promise.all([first, second].map(stage.ended));
    const marker = await stage.submit(client);
    await stage.ended(marker);
    expect([runs.get(first), runs.get(second)]).toEqual([1, 1]);
  });
});
