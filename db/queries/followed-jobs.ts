import { sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { jobs } from '../schema/jobs.ts';
import { type JobRecord, recordColumns } from './jobs.ts';

/** Unfinished jobs that a look shows at most: the newest. */
const openMax = 200;
/** Others that a look shows at most. */
const othersMax = 1_000;

/** What somebody who follows all of their jobs has to hear of. */
export interface FollowedJobs {
  readonly actorId: string;
  /** The smallest id of a job that was made since the last look. */
  readonly madeFrom: string;
  /** When the follower last heard anything, if that was before this stream; later ends are told. */
  readonly endedFrom: Date | null;
  /** Jobs told as unfinished. */
  readonly ids: readonly string[];
}

/**
 * The unfinished jobs of an actor, those made lately, those that ended lately and those named, in the order they were made.
 * Uses `jobs_actor_open_idx`, `jobs_actor_idx` and `jobs_finished_idx`.
 */
export async function listFollowedJobs(
  db: Executor,
  { actorId, madeFrom, endedFrom, ids }: FollowedJobs,
): Promise<JobRecord[]> {
  const ended =
    endedFrom === null
      ? sql``
      : sql`UNION ALL (SELECT id FROM jobs WHERE actor_id = ${actorId} AND finished_at >= ${endedFrom.toISOString()}
          ORDER BY finished_at LIMIT ${othersMax})`;
  return await db
    .select(recordColumns)
    .from(jobs)
    .where(
      sql`${jobs.id} IN (
        (SELECT id FROM jobs WHERE actor_id = ${actorId} AND state IN ('queued', 'running')
          ORDER BY id DESC LIMIT ${openMax})
        UNION ALL (SELECT id FROM jobs WHERE actor_id = ${actorId} AND id >= ${madeFrom} ORDER BY id LIMIT ${othersMax})
        UNION ALL (SELECT value::uuid FROM jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb) AS value)
        ${ended})`,
    )
    .orderBy(jobs.id);
}
