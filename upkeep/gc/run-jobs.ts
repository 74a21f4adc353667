import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../../db/client.ts';
import type { JobNotifications } from '../../db/notifications.ts';
import { findJob, type JobRecord, listDispatchRows } from '../../db/queries/jobs.ts';
import { isTerminal } from '../../domain/job.ts';
import type { JobHandlers } from '../../jobs/handler.ts';
import type { JobLogger } from '../../jobs/logger.ts';
import { runJob } from '../../jobs/run-job.ts';
import { usualTimings } from '../../jobs/timings.ts';

/** What running jobs in this process takes. */
export interface JobRunner {
  readonly db: Database;
  readonly notifications: JobNotifications;
  readonly handlers: JobHandlers;
  readonly logger: JobLogger;
}

const pollMs = 500;
/** A job that a worker runs is waited for this long; it goes on without us. */
const waitMsMax = 10 * 60_000;

/**
 * Runs a job here, under a lease as a worker does; one that a worker was faster to take is waited for.
 * @returns how it stands then, `null` when it is forgotten
 */
export async function runHere({ db, ...parts }: JobRunner, jobId: string): Promise<JobRecord | null> {
  const endsAt = performance.now() + waitMsMax;
  const name = `gc:${hostname()}:${process.pid}`;
  for (;;) {
    const [row] = await listDispatchRows(db, [jobId]);
    if (row !== undefined) {
      await runJob(
        {
          ...parts,
          db,
          timings: usualTimings,
          owner: name,
          workerId: randomUUID(),
          stopping: new AbortController().signal,
          takesJobs: () => true,
          running: new Set(),
        },
        row,
      );
    }
    const job = await findJob(db, { jobId, actorId: null });
    if (job === null || isTerminal(job.state) || performance.now() > endsAt) return job;
    await delay(pollMs);
  }
}
