import type { JobView } from '../../jobs/job-client.ts';

/** A job as the wire shows it. Times are ISO 8601 in UTC; `error` is set for failed jobs only. */
export interface JobBody {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly progress: JobView['progress'];
  readonly result: unknown;
  readonly error: { readonly code: string; readonly detail: string | null } | null;
  readonly attempt: number;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly finished_at: string | null;
}

/** Shapes a job for the wire. */
export function toJobBody(job: JobView): JobBody {
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
