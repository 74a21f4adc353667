import type { z } from 'zod';
import type { JobView } from '../../jobs/job-client.ts';
import type { jobBody } from './schemas.ts';

/** Shapes a job for the wire. Times are ISO 8601 in UTC. */
export function toJobBody(job: JobView): z.infer<typeof jobBody> {
  return {
    id: job.id,
    kind: job.kind,
    state: job.state,
    progress: job.progress,
    result: job.result ?? null,
    error: job.errorCode === null ? null : { code: job.errorCode, detail: job.errorDetail },
    attempt: job.attempt,
    created_at: job.createdAt.toISOString(),
    started_at: job.startedAt?.toISOString() ?? null,
    finished_at: job.finishedAt?.toISOString() ?? null,
  };
}
