import { isTerminal } from '../../domain/job.ts';
import type { JobView } from '../../jobs/job-client.ts';
import type { ApiRequest } from '../route.ts';

/** A stream ends after this long whatever the job does; clients then connect again. */
export const streamMsMax = 10 * 60_000;
/** A stopping process ends its streams within this time, for clients to go on with another one. */
const lookUpMsMax = 1_000;

/**
 * Follows a job that any process may run: tells it as it is now, then whenever it is not as last told, and `null` when there
 * was nothing for `quietMs`. Ends after the end of the job, when `signal` aborts, when the process stops, and after ten
 * minutes. Holds no connection to the database.
 */
export async function* followJob(
  { services, signal }: Pick<ApiRequest<unknown>, 'services' | 'signal'>,
  jobId: string,
  quietMs: number,
): AsyncGenerator<JobView | null> {
  const until = performance.now() + streamMsMax;
  const watch = services.jobs.watch(jobId);
  const isOver = () =>
    signal.aborted || performance.now() > until || services.stopping?.aborted === true || watch.isOver();
  try {
    let toldAt = performance.now();
    while (!isOver()) {
      const quietLeftMs = Math.max(0, toldAt + quietMs - performance.now());
      const job = await watch.next({ timeoutMs: Math.min(lookUpMsMax, quietLeftMs), signal });
      if (job === undefined && performance.now() < toldAt + quietMs) continue;
      if (signal.aborted) return;
      toldAt = performance.now();
      yield job ?? null;
      if (job !== undefined && isTerminal(job.state)) return;
    }
  } finally {
    watch.end();
  }
}
