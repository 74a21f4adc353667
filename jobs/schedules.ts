import type { JobSchedule } from '../db/queries/job-schedules.ts';
import { jobKinds } from '../domain/job.ts';
import { type JobContract, jobContracts } from './contracts.ts';

/**
 * The work that the service gives itself on `volumes`: every kind with an interval. It is kept by rows and not by the
 * schedulers of the queue library, because those live in the queue store alone: an emptied Redis forgets them, and a
 * changed interval leaves old ones behind. A row needs no such care, and a span that nobody was up for is just late.
 */
export function schedulesOf(volumes: readonly string[]): JobSchedule[] {
  return jobKinds.flatMap((kind) => {
    const { everyMs, attemptsMax }: JobContract = jobContracts[kind];
    if (everyMs === undefined) return [];
    return volumes.map((volume) => ({ kind, volume, everyMs, attemptsMax }));
  });
}
