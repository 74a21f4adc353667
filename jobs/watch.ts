import { setMaxListeners } from 'node:events';
import type { Database } from '../db/client.ts';
import type { JobNotifications } from '../db/notifications.ts';
import { type JobRecord, listJobsById } from '../db/queries/jobs.ts';
import { pause } from './timers.ts';

/** Somebody's look at one job. `end` must be called. */
export interface JobWatch {
  /**
   * Waits until the row is not as this watch last told it; the first time it tells how it is. @returns `undefined` when the
   * time is up, `signal` aborts, or the process stops; never while there is news. One call at a time
   */
  next(options: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<JobRecord | undefined>;
  /** Whether there will be no more news, for the process stops. */
  isOver(): boolean;
  end(): void;
}

/** Looks at jobs on behalf of all who watch in a process. */
export interface JobWatcher {
  watch(jobId: string): JobWatch;
  close(): Promise<void>;
}

const pollMs = 1_000;

/** What tells one state of a row from another. */
function markOf({ state, attempt, progress, errorCode, startedAt, finishedAt }: JobRecord): string {
  return JSON.stringify([state, attempt, progress, errorCode, startedAt, finishedAt]);
}

/**
 * Makes the watcher of a process. A notification only says when to look; as one may get lost, the rows are looked at every
 * second as well. One statement reads them all, and no connection is kept between two of them, however many watch.
 */
export function makeJobWatcher(parts: {
  readonly db: Database;
  readonly notifications: JobNotifications;
  readonly onError: (error: unknown) => void;
}): JobWatcher {
  const { db, notifications } = parts;
  const offers = new Map<string, Set<(job: JobRecord) => void>>();
  const due = new Set<string>();
  const closed = new AbortController();
  // Every watch listens; how many there are is bounded by who asks.
  setMaxListeners(0, closed.signal);
  let reading: Promise<void> | null = null;
  let polling: Promise<void> | null = null;

  // One read at a time, so that what is read later is never older.
  const read = async () => {
    while (due.size > 0 && !closed.signal.aborted) {
      const ids = [...due];
      due.clear();
      const jobs = await listJobsById(db, ids).catch((error: unknown) => {
        parts.onError(error);
        return [];
      });
      for (const job of jobs) for (const offer of offers.get(job.id) ?? []) offer(job);
    }
    reading = null;
  };
  const look = (jobIds: Iterable<string>) => {
    for (const jobId of jobIds) due.add(jobId);
    // With nothing due it would be over before it could be noted as running.
    if (due.size > 0) reading ??= read();
  };
  const poll = async () => {
    while (offers.size > 0 && !closed.signal.aborted) {
      await pause(pollMs, closed.signal);
      look(offers.keys());
    }
    polling = null;
  };
  const enter = (jobId: string, offer: (job: JobRecord) => void) => {
    const set = offers.get(jobId) ?? new Set();
    offers.set(jobId, set.add(offer));
    const unsubscribe = notifications.subscribe(jobId, () => look([jobId]));
    look([jobId]);
    polling ??= poll();
    return () => {
      unsubscribe();
      set.delete(offer);
      if (set.size === 0 && offers.get(jobId) === set) offers.delete(jobId);
    };
  };
  return {
    watch: (jobId) => openWatch((offer) => enter(jobId, offer), closed.signal),
    close: async () => {
      closed.abort();
      await Promise.all([reading, polling]);
    },
  };
}

function openWatch(enter: (offer: (job: JobRecord) => void) => () => void, closed: AbortSignal): JobWatch {
  let told: string | undefined;
  let news: JobRecord | undefined;
  let woken = new AbortController();
  const leave = enter((job) => {
    news = job;
    woken.abort();
  });
  const wake = () => woken.abort();
  closed.addEventListener('abort', wake);
  const take = () => {
    const job = news;
    news = undefined;
    if (job === undefined || markOf(job) === told) return undefined;
    told = markOf(job);
    return job;
  };
  return {
    next: async ({ timeoutMs, signal }) => {
      const deadline = performance.now() + timeoutMs;
      signal.addEventListener('abort', wake);
      try {
        for (;;) {
          woken = new AbortController();
          const job = take();
          const leftMs = deadline - performance.now();
          if (job !== undefined || leftMs <= 0 || signal.aborted || closed.aborted) return job;
          await pause(leftMs, woken.signal);
        }
      } finally {
        signal.removeEventListener('abort', wake);
      }
    },
    isOver: () => closed.aborted,
    end: () => {
      leave();
      closed.removeEventListener('abort', wake);
    },
  };
}
