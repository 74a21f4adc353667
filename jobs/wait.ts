import type { Database } from '../db/client.ts';
import { coalesce } from '../db/coalesce.ts';
import type { JobNotifications } from '../db/notifications.ts';
import { type JobRecord, listEndedJobIds, listJobRecords } from '../db/queries/jobs.ts';
import { isTerminal, jobStates } from '../domain/job.ts';
import { pause } from './timers.ts';

/** Waits for the ends of jobs on behalf of a whole process. */
export interface JobWaiter {
  /**
   * Jobs that are handed over at this moment. Who begins to wait for one in the same turn of the event loop is ahead of every
   * worker and need not look whether it has ended.
   */
  begin(jobIds: readonly string[]): void;
  /**
   * @returns the ended job; `null` for an unknown one, or when the time is up or `signal` aborts
   * @throws when the database cannot be read
   */
  wait(
    jobId: string,
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): Promise<JobRecord | null>;
  close(): Promise<void>;
}

const pollMs = 250;

/**
 * Makes the waiter of a process. A notification only says when to look. As one may get lost, the rows of all jobs that
 * are waited for are looked at four times a second as well, by one statement however many wait.
 */
export function makeJobWaiter(parts: {
  readonly db: Database;
  readonly notifications: JobNotifications;
  readonly onError: (error: unknown) => void;
}): JobWaiter {
  const { db, notifications } = parts;
  const waiting = new Map<string, Set<() => void>>();
  const begun = new Set<string>();
  const closed = new AbortController();
  let polling: Promise<void> | null = null;

  // Words come in bundles, and so do those who look then.
  const find = coalesce<string, JobRecord | null>({
    run: async (jobIds) => {
      const found = new Map((await listJobRecords(db, jobIds)).map((job) => [job.id, job]));
      return jobIds.map((jobId) => found.get(jobId) ?? null);
    },
  });
  const rouse = (jobId: string) => {
    for (const wake of waiting.get(jobId) ?? []) wake();
  };
  const poll = async () => {
    while (waiting.size > 0 && !closed.signal.aborted) {
      await pause(pollMs, closed.signal);
      const ids = [...waiting.keys()];
      if (ids.length === 0) break;
      await listEndedJobIds(db, ids).then((ended) => ended.forEach(rouse), parts.onError);
    }
    polling = null;
  };
  const enter = (jobId: string, wake: () => void) => {
    const wakes = waiting.get(jobId) ?? new Set();
    waiting.set(jobId, wakes.add(wake));
    const unsubscribe = notifications.subscribe(jobId, (word) => {
      if (word === null || isEnd(word)) wake();
    });
    polling ??= poll();
    return () => {
      unsubscribe();
      wakes.delete(wake);
      if (wakes.size === 0 && waiting.get(jobId) === wakes) waiting.delete(jobId);
    };
  };
  const isOver = (signal: AbortSignal | undefined) => closed.signal.aborted || signal?.aborted === true;
  return {
    begin: (jobIds) => {
      for (const jobId of jobIds) begun.add(jobId);
      setImmediate(() => {
        for (const jobId of jobIds) begun.delete(jobId);
      });
    },
    wait: async (jobId, { timeoutMs, signal }) => {
      let woken = new AbortController();
      const wake = () => woken.abort();
      // Entered before the first look, so that an end in between is heard.
      const leave = enter(jobId, wake);
      const isBegun = begun.has(jobId);
      signal?.addEventListener('abort', wake);
      const sleep = (ms: number) => pause(ms, woken.signal);
      const look = async () => {
        woken = new AbortController();
        return await find(jobId);
      };
      try {
        return await lookUntilEnd({ look, sleep, timeoutMs, isBegun, isOver: () => isOver(signal) });
      } finally {
        leave();
        signal?.removeEventListener('abort', wake);
      }
    },
    close: async () => {
      closed.abort();
      for (const jobId of waiting.keys()) rouse(jobId);
      await polling;
    },
  };
}

async function lookUntilEnd(options: {
  readonly look: () => Promise<JobRecord | null>;
  readonly sleep: (ms: number) => Promise<void>;
  readonly timeoutMs: number;
  readonly isBegun: boolean;
  readonly isOver: () => boolean;
}): Promise<JobRecord | null> {
  const deadline = performance.now() + options.timeoutMs;
  if (options.isBegun && !options.isOver()) await options.sleep(options.timeoutMs);
  for (;;) {
    const job = await options.look();
    if (job === null || isTerminal(job.state)) return job;
    const leftMs = deadline - performance.now();
    if (leftMs <= 0 || options.isOver()) return null;
    await options.sleep(leftMs);
  }
}

function isEnd(word: string): boolean {
  const state = jobStates.find((known) => known === word);
  return state !== undefined && isTerminal(state);
}
