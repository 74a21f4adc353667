import { insertOutboxJob, insertOutboxJobs } from '../jobs/outbox.ts';
import { usualTimings } from '../jobs/timings.ts';
import type { WorkerServices } from '../worker/services.ts';

/**
 * Gives work to workers without opening a queue: the row is all it takes, the reconciler of any process hands it over
 * within seconds, or at the next start.
 */
export const outboxOnly: WorkerServices['jobs'] = {
  enqueue: async (tx, job) => (await insertOutboxJob(tx, job, usualTimings.graceMs)).id,
  enqueueAll: async (tx, jobs) =>
    (await insertOutboxJobs(tx, jobs, usualTimings.graceMs)).map(({ id }) => id),
  dispatch: () => undefined,
};
