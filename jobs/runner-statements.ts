import type { Database } from '../db/client.ts';
import { coalesce } from '../db/coalesce.ts';
import { type JobWord, notifyJobs } from '../db/notifications.ts';
import {
  type Claimant,
  type ClaimedJob,
  claimJob,
  claimJobs,
  type HandedRow,
} from '../db/queries/job-lease.ts';
import { jobKinds } from '../domain/job.ts';
import { type JobTimings, leaseOf } from './timings.ts';
import { readingKinds } from './volume-states.ts';

/** What every run does, in statements that runs which come at the same time share. */
export interface SharedStatements {
  /** Claims a job. @returns `null` when it is unknown, finished, somebody else's, not due or held up by its volume */
  claim(handed: HandedRow): Promise<ClaimedJob | null>;
  /** Tells every process a word about a job. */
  tell(jobId: string, word: string): Promise<void>;
}

/** Makes those of one worker; `owner` names it in the rows it holds. */
export function shareStatements(options: {
  readonly db: Database;
  readonly owner: string;
  readonly timings: JobTimings;
}): SharedStatements {
  const { db, owner, timings } = options;
  const leases = Object.fromEntries(jobKinds.map((kind) => [kind, leaseOf(kind, timings).leaseMs]));
  const claimant: Claimant = { owner, leases, readingKinds };
  const claim = coalesce<HandedRow, ClaimedJob | 'locked' | null>({
    // Delivered twice at once, a job is claimed once.
    goesWith: (others, { id }) => !others.some((other) => other.id === id),
    run: async (handed) => {
      const { claimed, locked } = await claimJobs(db, handed, claimant);
      const rows = new Map(claimed.map((row) => [row.id, row]));
      return handed.map(({ id }) => rows.get(id) ?? (locked.includes(id) ? 'locked' : null));
    },
  });
  const tellAll = coalesce<JobWord, undefined>({
    run: async (words) => {
      await notifyJobs(db, words);
      return words.map(() => undefined);
    },
  });
  return {
    claim: async (handed) => {
      const outcome = await claim(handed);
      return outcome === 'locked' ? await claimJob(db, handed, claimant) : outcome;
    },
    tell: async (jobId, word) => {
      await tellAll({ jobId, word });
    },
  };
}
