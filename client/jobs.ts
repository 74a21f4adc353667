import { z } from 'zod';
import { JobError, ReplyError } from './errors.ts';
import type { Reply } from './exchange.ts';
import { type FollowOptions, followJob } from './follow-job.ts';
import { type Http, parseReply, pathOf } from './http.ts';
import { type Job, jobModel } from './models.ts';

/** Which jobs to list. */
export interface JobQuery {
  readonly state?: string | undefined;
  /** Those of everyone, for administrators. */
  readonly all?: boolean | undefined;
  readonly limit?: number | undefined;
}

/** Background work of the caller. */
export interface JobsApi {
  list(query?: JobQuery): Promise<Job[]>;
  show(id: string): Promise<Job>;
  /** Resolves with the job once it has ended, however it did. */
  follow(id: string, options?: FollowOptions): Promise<Job>;
  cancel(id: string): Promise<Job>;
  retry(id: string): Promise<Job>;
}

const jobPage = z.looseObject({ items: z.array(jobModel), next_cursor: z.string().nullable() });
const pageLimit = 500;

/** Follows pages until `limit` items, or all of them, are read. */
async function listJobs(
  http: Http,
  { state, all, limit = Number.POSITIVE_INFINITY }: JobQuery,
): Promise<Job[]> {
  const jobs: Job[] = [];
  let cursor: string | undefined;
  do {
    const left = Math.min(pageLimit, limit - jobs.length);
    const query = { state, all: all === true ? true : undefined, cursor, limit: left };
    const page = await http.read('GET', '/jobs', jobPage, { query });
    jobs.push(...page.items);
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined && jobs.length < limit);
  return jobs;
}

/** Opens the jobs of the caller. */
export function openJobs(http: Http): JobsApi {
  return {
    list: (query = {}) => listJobs(http, query),
    show: (id) => http.read('GET', pathOf('jobs', id), jobModel),
    follow: (id, options = {}) => followJob(http, id, options),
    cancel: (id) => http.read('DELETE', pathOf('jobs', id), jobModel),
    retry: (id) => http.read('POST', `${pathOf('jobs', id)}/retry`, jobModel),
  };
}

/** The id of the job that a 202 names; `undefined` for any other answer. */
export function jobOf(response: Reply): string | undefined {
  if (response.status !== 202) return undefined;
  const id = /\/jobs\/([^/?#]+)$/.exec(response.headers.get('location') ?? '')?.[1];
  if (id === undefined) throw new ReplyError('The service took work on without saying where to look for it.');
  return id;
}

/** The result of a job that succeeded. @throws JobError for any other */
export function resultOf(job: Job): unknown {
  if (job.state === 'succeeded') return job.result;
  const code = job.error?.code ?? `job_${job.state}`;
  const detail =
    job.error?.detail ?? (job.state === 'cancelled' ? 'The job was cancelled.' : 'The job failed.');
  throw new JobError({ id: job.id, state: job.state, code, detail });
}

/**
 * The end of work that its route waits for: what the reply says, or, when it goes on in a job, that job's result.
 * @throws JobError, ReplyError
 */
export async function settled<T>(
  http: Http,
  response: Reply,
  schemas: WorkSchemas<T>,
  options: FollowOptions = {},
): Promise<T> {
  return (await startWork(http, response, schemas)).finish(options);
}

/** What a reply says, and what the result of its job says; the same unless given. */
export interface WorkSchemas<T> {
  readonly reply: z.ZodType<T>;
  readonly result?: z.ZodType<T>;
}

/** Work that the service took on. */
export interface Work<T> {
  /** The job it goes on in; `undefined` when it is done. */
  readonly jobId: string | undefined;
  /** Waits for its end. @throws JobError, ReplyError */
  finish(options?: FollowOptions): Promise<T>;
}

/** Header of requests that do not wait for their job. */
export const withoutWaiting = { Prefer: 'respond-async' } as const;

/** Reads the answer to a request that may go on in a job. */
export async function startWork<T>(http: Http, response: Reply, schemas: WorkSchemas<T>): Promise<Work<T>> {
  const jobId = jobOf(response);
  if (jobId === undefined) {
    const done = await parseReply(response, schemas.reply);
    return { jobId, finish: async () => done };
  }
  response.discard();
  return {
    jobId,
    finish: async (options = {}) =>
      (schemas.result ?? schemas.reply).parse(resultOf(await followJob(http, jobId, options))),
  };
}
