import { z } from 'zod';
import { isTerminal } from '../../domain/job.ts';
import { defineRoute, type Route } from '../route.ts';
import { sendJobEvents } from './events.ts';
import { cancelJob, readJob, readJobs, retryJob } from './operations.ts';
import { sendOwnEvents } from './own-events.ts';
import { toJobBody } from './presenter.ts';
import { jobBody, jobListInput, jobPageBody } from './schemas.ts';

/** Lists the caller's jobs. */
export const getJobs = defineRoute({
  method: 'GET',
  path: '/jobs',
  access: 'user',
  right: null,
  body: 'json',
  input: jobListInput,
  answers: { 200: jobPageBody },
  doc: { tag: 'Jobs', id: 'listJobs', summary: 'List your jobs, newest first', refusals: ['admin_required'] },
  handle: async ({ services, principal, input }) => {
    const { all, state, cursor, limit } = input;
    const { jobs, nextCursor } = await readJobs(services, { principal, all, state, cursor, limit });
    return { status: 200, body: { items: jobs.map(toJobBody), next_cursor: nextCursor } };
  },
});

/** Shows one job. */
export const getJob = defineRoute({
  method: 'GET',
  path: '/jobs/:id',
  access: 'user',
  right: null,
  body: 'json',
  input: z.object({}),
  answers: { 200: jobBody },
  doc: { tag: 'Jobs', id: 'getJob', summary: 'See a job', refusals: ['not_found'] },
  handle: async ({ services, principal, params }) => {
    const job = await readJob(services, { principal, jobId: params.id ?? '' });
    return { status: 200, body: toJobBody(job) };
  },
});

/** Follows a job by server-sent events; 204 when `Last-Event-ID` says that its end was heard. */
export const getJobEvents = defineRoute({
  method: 'GET',
  path: '/jobs/:id/events',
  access: 'user',
  right: null,
  body: 'json',
  isStream: true,
  input: z.object({}),
  answers: { 200: { media: ['text/event-stream'] }, 204: null },
  doc: {
    tag: 'Jobs',
    id: 'followJob',
    summary: 'Follow a job by server-sent events',
    refusals: ['not_found'],
    reads: ['Last-Event-ID'],
  },
  handle: sendJobEvents,
});

/** Follows all jobs of the caller by server-sent events. */
export const getOwnEvents = defineRoute({
  method: 'GET',
  path: '/events',
  access: 'user',
  right: null,
  body: 'json',
  isStream: true,
  input: z.object({}),
  answers: { 200: { media: ['text/event-stream'] } },
  doc: {
    tag: 'Jobs',
    id: 'followJobs',
    summary: 'Follow all your jobs by server-sent events',
    refusals: [],
    reads: ['Last-Event-ID'],
  },
  handle: sendOwnEvents,
});

/** Cancels a job: 200 once it has ended, 202 while its worker still has to notice. */
export const deleteJob = defineRoute({
  method: 'DELETE',
  path: '/jobs/:id',
  access: 'user',
  right: null,
  body: 'json',
  input: z.object({}),
  answers: { 200: jobBody, 202: jobBody },
  doc: {
    tag: 'Jobs',
    id: 'cancelJob',
    summary: 'Cancel a job',
    refusals: ['not_found', 'job_not_cancellable'],
  },
  handle: async ({ services, principal, requestId, params }) => {
    const job = await cancelJob(services, { principal, requestId, jobId: params.id ?? '' });
    const body = toJobBody(job);
    return isTerminal(job.state) ? { status: 200, body } : { status: 202, body };
  },
});

/** Gives a job that did not succeed another go. */
export const postRetry = defineRoute({
  method: 'POST',
  path: '/jobs/:id/retry',
  access: 'user',
  right: null,
  body: 'json',
  input: z.object({}),
  answers: { 202: jobBody },
  doc: {
    tag: 'Jobs',
    id: 'retryJob',
    summary: 'Give a job that did not succeed another go',
    refusals: ['not_found', 'job_not_retriable'],
    sets: { 202: ['Location'] },
  },
  handle: async ({ services, principal, requestId, params }) => {
    const job = await retryJob(services, { principal, requestId, jobId: params.id ?? '' });
    return { status: 202, body: toJobBody(job), headers: { Location: `/jobs/${job.id}` } };
  },
});

/** Routes about background work. */
export const jobRoutes: readonly Route[] = [
  getJobs,
  getJob,
  getJobEvents,
  getOwnEvents,
  deleteJob,
  postRetry,
];
