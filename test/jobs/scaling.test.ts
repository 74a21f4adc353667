import type { ChildProcess } from 'node:child_process';
import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeEachBackend } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { endWorker, forkWorker } from './fork-worker.ts';
import { makeStage, newJob, type Stage } from './job-stage.ts';

/** `SCALING_JOBS=20000` asks for the large run. */
const jobsTotal = Number(process.env.SCALING_JOBS ?? 600);
const batch = 200;

describeEachBackend('scaling workers while jobs wait', (backend) => {
  let stage: Stage;
  const children: ChildProcess[] = [];
  const db = () => backend.database.db;
  beforeEach(async () => {
    stage = makeStage(backend, {});
    await db().execute(sql`CREATE TABLE settled_effects (job_id uuid, pid int)`);
  });
  afterEach(async () => {
    await Promise.all(children.map((child) => endWorker(child, 'SIGKILL')));
    await stage.close();
  });

  const start = async () => {
    const { child, ready } = forkWorker('scaling-worker.ts', backend);
    children.push(child);
    await ready;
    return child;
  };
  const settled = async () => {
    const [row] =
      await db().execute(sql`SELECT count(*)::int AS total, count(DISTINCT job_id)::int AS distinct,
      count(DISTINCT pid)::int AS workers FROM settled_effects`);
    return { total: Number(row?.total), distinct: Number(row?.distinct), workers: Number(row?.workers) };
  };
  const untilSettled = (part: number) =>
    eventually(async () => expect((await settled()).total).toBeGreaterThan(jobsTotal * part), {
      timeoutMs: 600_000,
      everyMs: 50,
    });

  it('loses and doubles none from one worker to four and back to one', { timeout: 900_000 }, async () => {
    const client = await stage.openClient();
    for (let done = 0; done < jobsTotal; done += batch) {
      const jobs = Array.from({ length: Math.min(batch, jobsTotal - done) }, () => newJob());
      client.dispatch(await db().transaction((tx) => client.enqueueAll(tx, jobs)));
    }
    const first = await start();
    await untilSettled(0.1);
    const others = await Promise.all([start(), start(), start()]);
    await untilSettled(0.6);
    await Promise.all([first, ...others.slice(1)].map((child) => endWorker(child, 'SIGTERM')));
    await eventually(
      async () => {
        const rows = await db().execute(sql`SELECT state, count(*)::int AS total, max(attempt) AS attempt
          FROM jobs GROUP BY state`);
        expect(rows).toEqual([{ state: 'succeeded', total: jobsTotal, attempt: 0 }]);
      },
      { timeoutMs: 600_000, everyMs: 200 },
    );
    const { total, distinct, workers } = await settled();
    expect([total, distinct]).toEqual([jobsTotal, jobsTotal]);
    expect(workers).toBeGreaterThan(1);
  });
});
