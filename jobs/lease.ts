import type { Database } from '../db/client.ts';
import { type JobNotifications, notifyJob } from '../db/notifications.ts';
import { type Claim, renewLease } from '../db/queries/job-lease.ts';
import type { JobProgress } from '../domain/job.ts';
import { JobCancelledError } from './abort-reasons.ts';
import { LeaseLostError } from './handler.ts';
import { cancelWord } from './notification-words.ts';
import type { JobTimings } from './timings.ts';

/** The running job's hold on its row. */
export interface Lease {
  /** Notes progress; written at most every `progressMs`. */
  report(progress: JobProgress): void;
  /** Stops extending; resolves when nothing of it is on its way any more. @returns progress that was not yet written */
  release(): Promise<JobProgress | undefined>;
}

/**
 * Extends the lease of a claim until it is released. Aborts `controller` when the owner cancels the job, when somebody
 * else took it over, and when the lease must have ended because the database could not be reached.
 */
export function keepLease(options: {
  readonly db: Database;
  readonly notifications: JobNotifications;
  readonly claim: Claim;
  readonly controller: AbortController;
  readonly timings: JobTimings;
  readonly onError: (error: unknown) => void;
}): Lease {
  const { db, claim, controller, timings } = options;
  let unwritten: JobProgress | undefined;
  let renewedAt = performance.now();
  let writing: Promise<void> | null = null;
  let isReleased = false;
  let timer: NodeJS.Timeout | undefined;

  async function renew(): Promise<void> {
    const progress = unwritten;
    unwritten = undefined;
    const askedAt = performance.now();
    try {
      const row = await renewLease(db, { ...claim, leaseMs: timings.leaseMs, progress });
      renewedAt = askedAt;
      if (row === null) controller.abort(new LeaseLostError());
      else if (row.isCancelRequested) controller.abort(new JobCancelledError());
      else if (progress !== undefined) await notifyJob(db, claim.id, 'running');
    } catch (error) {
      options.onError(error);
      if (performance.now() - renewedAt > timings.leaseMs) controller.abort(new LeaseLostError());
    }
  }

  /** At most one write is on its way; the next starts `ms` after it. */
  function plan(ms: number): void {
    if (isReleased || controller.signal.aborted) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      writing ??= renew().finally(() => {
        writing = null;
        plan(unwritten === undefined ? timings.heartbeatMs : timings.progressMs);
      });
    }, ms);
  }

  const unsubscribe = options.notifications.subscribe(claim.id, (word) => {
    if (word === cancelWord) plan(0);
  });
  plan(timings.heartbeatMs);
  return {
    report: (progress) => {
      const isFirst = unwritten === undefined;
      unwritten = progress;
      if (isFirst && writing === null) {
        plan(Math.max(0, timings.progressMs - (performance.now() - renewedAt)));
      }
    },
    release: async () => {
      isReleased = true;
      clearTimeout(timer);
      unsubscribe();
      await writing;
      return unwritten;
    },
  };
}
