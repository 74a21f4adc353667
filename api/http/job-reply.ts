import { domainError, type ErrorCode, errorCodes } from '../../domain/errors.ts';
import type { JobView } from '../../jobs/job-client.ts';
import type { Answered } from '../openapi/answers.ts';
import type { ApiRequest, Preference, Reply } from '../route.ts';

/** How long a route that promises a final status waits for its job unless the caller prefers otherwise. */
export const jobWaitMsDefault = 60_000;

/** What every route that waits for a job may refuse with, beside what its job fails with. */
export const jobRefusals = [
  'job_failed',
  'job_cancelled',
  'volume_read_only',
  'volume_full',
  'volume_unavailable',
] as const;

type WaitingRequest = Pick<ApiRequest<unknown>, 'services' | 'preference' | 'signal'>;

// RFC 7240 §4.3: `wait` alone bounds the wait; with `respond-async` it is how long to try before going async.
function waitMsOf(preference: Preference): number {
  if (preference.waitMs !== undefined) return preference.waitMs;
  return preference.respondAsync ? 0 : jobWaitMsDefault;
}

function appliedPreference({ respondAsync, waitMs }: Preference): string | undefined {
  const applied = [
    ...(respondAsync ? ['respond-async'] : []),
    ...(waitMs === undefined ? [] : [`wait=${waitMs / 1000}`]),
  ];
  return applied.length === 0 ? undefined : applied.join(', ');
}

function isErrorCode(code: string | null): code is ErrorCode {
  return errorCodes.some((known) => known === code);
}

function failureOf(job: JobView): Error {
  if (job.state === 'cancelled') return domainError('job_cancelled', 'The job was cancelled.');
  const code = isErrorCode(job.errorCode) ? job.errorCode : 'job_failed';
  return domainError(code, job.errorDetail ?? 'The job failed.', { extra: { job_id: job.id } });
}

/** The 202 for a job that goes on: where to look for it, and how it stands. */
export function acceptedReply<Body>(jobId: string, preference: Preference, body: Body): Answered<202, Body> {
  const applied = appliedPreference(preference);
  return {
    status: 202,
    headers: {
      Location: `/jobs/${jobId}`,
      ...(applied === undefined ? {} : { 'Preference-Applied': applied }),
    },
    body,
  };
}

/**
 * Waits for a job as long as the caller prefers (a minute by default) and answers `onDone` once it succeeded, else 202.
 * @throws the error the job failed with, as its own code where it is one of ours; job_cancelled
 */
export async function replyAfterJob<R extends Reply>(
  request: WaitingRequest,
  jobId: string,
  onDone: (job: JobView) => R | Promise<R>,
): Promise<R | Answered<202, { readonly id: string }>> {
  const { preference, services, signal } = request;
  const timeoutMs = waitMsOf(preference);
  const job = timeoutMs === 0 ? null : await services.jobs.wait(jobId, { timeoutMs, signal });
  if (job === null) return acceptedReply(jobId, preference, { id: jobId });
  if (job.state !== 'succeeded') throw failureOf(job);
  return onDone(job);
}
