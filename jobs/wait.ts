import type { Database } from '../db/client.ts';
import type { JobNotifications } from '../db/notifications.ts';
import { findJob, type JobRecord } from '../db/queries/jobs.ts';
import { isTerminal, jobStates } from '../domain/job.ts';
import { pause } from './timers.ts';

const firstPollMs = 250;
const pollMsMax = 2_000;

/**
 * Waits until a job has ended. A notification only says when to look; the row is polled as well, ever more slowly, so
 * that a lost notification costs two seconds at most.
 * @returns the ended job; `null` for an unknown one, or when the time is up or `signal` aborts
 */
export async function waitForJob(
  parts: { readonly db: Database; readonly notifications: JobNotifications },
  jobId: string,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<JobRecord | null> {
  const deadline = performance.now() + options.timeoutMs;
  let wake = new AbortController();
  const rouse = () => wake.abort();
  // Subscribed before the first look, so that an end in between is heard.
  const unsubscribe = parts.notifications.subscribe(jobId, (word) => {
    if (word === null || isEnd(word)) wake.abort();
  });
  options.signal?.addEventListener('abort', rouse);
  try {
    for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.5, pollMsMax)) {
      wake = new AbortController();
      const job = await findJob(parts.db, { jobId, actorId: null });
      if (job === null || isTerminal(job.state)) return job;
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || options.signal?.aborted) return null;
      await pause(Math.min(pollMs, leftMs), wake.signal);
    }
  } finally {
    unsubscribe();
    options.signal?.removeEventListener('abort', rouse);
  }
}

function isEnd(word: string): boolean {
  const state = jobStates.find((known) => known === word);
  return state !== undefined && isTerminal(state);
}
