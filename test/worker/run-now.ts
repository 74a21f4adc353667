import { eq, sql } from 'drizzle-orm';
import { findJob, type JobRecord } from '../../db/queries/jobs.ts';
import { jobs } from '../../db/schema/jobs.ts';
import { isTerminal } from '../../domain/job.ts';
import type { JobHandlers } from '../../jobs/handler.ts';
import { runJob } from '../../jobs/run-job.ts';
import { shareStatements } from '../../jobs/runner-statements.ts';
import type { Backend } from '../support/backends.ts';
import type { WorkStage } from './work-stage.ts';

const runsMax = 40;

/** Delivers a job once, in this process and without its queue, as a worker does. Ends a lease that a dead run left. */
export async function deliver(
  backend: Pick<Backend, 'database'>,
  stage: WorkStage,
  given: { readonly jobId: string; readonly handlers: JobHandlers },
): Promise<void> {
  const { db } = backend.database;
  const rows = await db.select({ fence: jobs.fence }).from(jobs).where(eq(jobs.id, given.jobId));
  await runJob(
    {
      db,
      notifications: stage.client.notifications,
      timings: stage.client.timings,
      shared: shareStatements({ db, owner: 'test', timings: stage.client.timings }),
      volumeStates: stage.client.volumeStates,
      logger: stage.jobs.log,
      handlers: given.handlers,
      workerId: 'test',
      stopping: new AbortController().signal,
      takesJobs: () => true,
      running: new Set(),
    },
    { id: given.jobId, fence: rows[0]?.fence ?? 0 },
  );
}

/** Makes the lease of a running job end, as time does when its worker is dead. */
export async function endLease(backend: Pick<Backend, 'database'>, jobId: string): Promise<void> {
  const leaseUntil = sql`now() - interval '1 second'`;
  await backend.database.db
    .update(jobs)
    .set({ leaseUntil })
    .where(sql`${eq(jobs.id, jobId)} AND state = 'running'`);
}

/** Delivers a job until it has ended, without the waits between its runs. */
export async function runToEnd(
  backend: Pick<Backend, 'database'>,
  stage: WorkStage,
  given: { readonly jobId: string; readonly handlers: JobHandlers },
): Promise<JobRecord> {
  for (let runs = 0; runs < runsMax; runs += 1) {
    await deliver(backend, stage, given);
    const job = await findJob(backend.database.db, { jobId: given.jobId, actorId: null });
    if (job !== null && isTerminal(job.state)) return job;
    await endLease(backend, given.jobId);
  }
  throw new Error(`The job has not ended after ${runsMax} runs.`);
}
