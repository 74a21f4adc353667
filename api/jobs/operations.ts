import { insertAudit } from '../../db/queries/audit.ts';
import { findJob, listJobs } from '../../db/queries/jobs.ts';
import { domainError } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import type { JobState } from '../../domain/job.ts';
import type { JobView } from '../../jobs/job-client.ts';
import type { Note } from '../../jobs/queue-admin.ts';
import { readIdCursor } from '../http/id-cursor.ts';
import type { Operator } from '../operator.ts';
import type { Principal } from '../route.ts';
import type { Services } from '../services.ts';

/** Which jobs to list. `all` means those of every user and of the service itself. */
export interface JobListRequest {
  readonly principal: Principal;
  readonly all: boolean;
  readonly state: JobState | undefined;
  readonly cursor: string | undefined;
  readonly limit: number;
}

/** A job somebody asks for. Users reach their own jobs, administrators every job. */
export interface JobRequest {
  readonly principal: Principal;
  readonly jobId: string;
}

/**
 * A page of jobs, newest first, and the cursor of the next page or `null`.
 * @throws admin_required when someone else asks for all jobs; request_malformed for a cursor of no list
 */
export async function readJobs(
  services: Pick<Services, 'db'>,
  { principal, all, state, cursor, limit }: JobListRequest,
): Promise<{ readonly jobs: readonly JobView[]; readonly nextCursor: string | null }> {
  if (all && principal.role !== 'admin') {
    throw domainError('admin_required', 'Only an administrator may list the jobs of everyone.');
  }
  const actorId = all ? null : principal.userId;
  const jobs = await listJobs(services.db, { actorId, state, cursor: readIdCursor(cursor), limit });
  return { jobs, nextCursor: jobs.length === limit ? (jobs.at(-1)?.id ?? null) : null };
}

/** One job. @throws not_found, the same for a missing job and for someone else's */
export async function readJob(
  services: Pick<Services, 'db'>,
  { principal, jobId }: JobRequest,
): Promise<JobView> {
  const id = parseId(jobId);
  const actorId = principal.role === 'admin' ? null : principal.userId;
  const job = id === undefined ? null : await findJob(services.db, { jobId: id, actorId });
  if (job === null) throw domainError('not_found', 'There is no such job.');
  return job;
}

/** What an administrator does to a job is on record; what users do to jobs of their own is their business. */
function noteOf(
  operator: Operator | undefined,
  action: 'job.cancel' | 'job.retry',
): Note<JobView> | undefined {
  if (operator === undefined) return undefined;
  return async (tx, { id, kind, state, folderId, actorId }) => {
    const about = { subject: id, ...(folderId === null ? {} : { folderId }) };
    const details = { kind, user: actorId, before: { state } };
    await insertAudit(tx, { ...operator, ...about, action, details });
  };
}

/** A job that is to be cancelled or tried again, and by which request. */
export interface JobChange extends JobRequest {
  readonly requestId: string;
}

function operatorIn({ principal, requestId }: JobChange): Operator | undefined {
  return principal.role === 'admin' ? { actorId: principal.userId, requestId } : undefined;
}

/**
 * Gives a job that failed or was cancelled another go.
 * @throws not_found; job_not_retriable when it has not, or its kind has given up what another go would need
 */
export async function retryJob(
  services: Pick<Services, 'db' | 'jobs'>,
  request: JobChange,
): Promise<JobView> {
  const job = await readJob(services, request);
  await services.jobs.admin.retry(job.id, noteOf(operatorIn(request), 'job.retry'));
  return readJob(services, request);
}

/**
 * Cancels a job: a queued one at once, a running one as soon as its worker notices.
 * @throws not_found; job_not_cancellable when it has ended
 */
export async function cancelJob(
  services: Pick<Services, 'db' | 'jobs'>,
  request: JobChange,
): Promise<JobView> {
  const job = await readJob(services, request);
  return services.jobs.cancel(job.id, noteOf(operatorIn(request), 'job.cancel'));
}
