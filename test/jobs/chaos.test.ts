import type { ChildProcess } from 'node:child_process';
import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeEachBackend } from '../support/backends.ts';
import { eventually } from '../support/eventually.ts';
import { endWorker, forkWorker } from './fork-worker.ts';
import { chaosTimings, emptyQueueStore, makeStage, type Stage } from './job-stage.ts';

const jobsTotal = 500;
const rounds = 3;

describeEachBackend('losing workers and the queue store under load', (backend) => {
  let stage: Stage;
  const children = new Set<ChildProcess>();
  const db = () => backend.database.db;

  beforeEach(async () => {
    stage = makeStage(backend, chaosTimings);
    await db().execute(sql`CREATE TABLE naive_effects (job_id uuid)`);
    await db().execute(sql`CREATE TABLE settled_effects (job_id uuid)`);
  });
  afterEach(async () => {
    await Promise.all([...children].map(kill));
    await stage.close();
  });

  async function startWorker(): Promise<ChildProcess> {
    const { child, ready } = forkWorker('chaos-worker.ts', backend);
    children.add(child);
    await ready;
    return child;
  }

  async function kill(child: ChildProcess): Promise<void> {
    children.delete(child);
    await endWorker(child, 'SIGKILL');
  }

  const count = async (table: 'naive_effects' | 'settled_effects') => {
    const rows = await db().execute(sql`SELECT count(*)::int AS total, count(DISTINCT job_id)::int AS distinct
      FROM ${sql.identifier(table)}`);
    return { total: Number(rows[0]?.total), distinct: Number(rows[0]?.distinct) };
  };

  it('runs every job to its end with the effect of once', { timeout: 240_000 }, async () => {
    const client = await stage.openClient();
    let [one, other] = await Promise.all([startWorker(), startWorker()]);
    for (let round = 1; round <= rounds; round++) {
      const perRound = Math.ceil(jobsTotal / rounds);
      await Promise.all(Array.from({ length: perRound }, () => stage.submit(client)));
      await eventually(async () =>
        expect((await count('naive_effects')).distinct).toBeGreaterThan((round - 1) * perRound + 10),
      );
      const killed = kill(one);
      await emptyQueueStore(backend);
      await killed;
      [one, other] = [other, await startWorker()];
    }
    await eventually(
      async () => {
        const rows = await db().execute(sql`SELECT state, count(*)::int AS total FROM jobs GROUP BY state`);
        expect(rows).toEqual([{ state: 'succeeded', total: Math.ceil(jobsTotal / rounds) * rounds }]);
      },
      { timeoutMs: 120_000, everyMs: 200 },
    );
    const settled = await count('settled_effects');
    expect(settled.total).toBe(settled.distinct);
    expect(settled.distinct).toBe(Math.ceil(jobsTotal / rounds) * rounds);
    // The canary: without the fence this harness does see effects twice.
    const naive = await count('naive_effects');
    expect(naive.total).toBeGreaterThan(naive.distinct);
  });
});
