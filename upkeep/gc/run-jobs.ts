import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import type { Database } from '../../db/client.ts';
import type { JobNotifications } from '../../db/notifications.ts';
import { findJob, type JobRecord, listDispatchRows } from '../../db/queries/jobs.ts';
import { isReadOnlyVolume } from '../../db/queries/volumes.ts';
import { isTerminal } from '../../domain/job.ts';
import type { JobHandlers } from '../../jobs/handler.ts';
import type { JobLogger } from '../../jobs/logger.ts';
import { type RunnerParts, runJob } from '../../jobs/run-job.ts';
import { shareStatements } from '../../jobs/runner-statements.ts';
import { usualTimings } from '../../jobs/timings.ts';
import { type OpenVolumeStates, openVolumeStates } from '../../jobs/volume-states.ts';

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

function partsOf(runner: JobRunner, volumeStates: OpenVolumeStates): RunnerParts {
  const workerId = uuidv7();
  const owner = `${hostname()}:${process.pid}:${workerId.slice(-6)}`;
  const timings = usualTimings;
  return {
    ...runner,
    timings,
    volumeStates,
    workerId,
    shared: shareStatements({ db: runner.db, owner, timings }),
    stopping: new AbortController().signal,
    takesJobs: () => true,
    running: new Set(),
  };
}

/** Runs a job, or waits for whoever does; not while its volume is read-only, when nobody does. */
async function runToEnd(parts: RunnerParts, volume: string, jobId: string): Promise<JobRecord | null> {
  const endsAt = performance.now() + waitMsMax;
  for (;;) {
    const [row] = await listDispatchRows(parts.db, [jobId]);
    if (row !== undefined) await runJob(parts, row);
    const job = await findJob(parts.db, { jobId, actorId: null });
    if (job === null || isTerminal(job.state) || performance.now() > endsAt) return job;
    if (await isReadOnlyVolume(parts.db, volume)) return job;
    await delay(pollMs);
  }
}

/**
 * Runs jobs of a volume here, one after the other, each under a lease as a worker does; one that a worker was faster to take is
 * waited for. `onEnd` hears how each stands then, `null` for one that is forgotten.
 */
export async function runHere(
  runner: JobRunner,
  { volume, jobIds }: { readonly volume: string; readonly jobIds: readonly string[] },
  onEnd: (jobId: string, job: JobRecord | null) => void,
): Promise<void> {
  const { db, notifications } = runner;
  const volumeStates = openVolumeStates({ db, notifications, onError: () => undefined });
  try {
    await volumeStates.refresh();
    const parts = partsOf(runner, volumeStates);
    for (const jobId of jobIds) onEnd(jobId, await runToEnd(parts, volume, jobId));
  } finally {
    volumeStates.close();
  }
}
