import { z } from 'zod';
import type { JobView } from '../../jobs/job-client.ts';
import { jobRefusals, replyAfterJob } from '../http/job-reply.ts';
import { acceptedBody, count, instant } from '../http/wire.ts';
import { defineRoute, type Route } from '../route.ts';
import { readUsage, requestMeasure } from './operations.ts';

const noInput = z.object({});

const counts = z.object({ bytes: count, files: count });
const usageBody = z.object({
  live: counts,
  reserved: counts,
  trash: counts,
  limit: counts,
  directories: z.object({ held: count, limit: count }),
  as_of: instant,
});
const drift = z.object({ bytes: z.int(), files: z.int() });
const change = z.object({ before: counts, after: counts, drift });

/** What `usage.measure` reports. */
export const measuredBody = change.extend({
  trash: change,
  directories: z.object({ before: count, after: count, drift: z.int() }).optional(),
  approximate: z.boolean().optional(),
});

/** The reply once `usage.measure` is done. */
export function counted(job: JobView) {
  return { status: 200, body: measuredBody.parse(job.result) } as const;
}

/** Reading and recounting what a folder holds. */
export const usageRoutes: readonly Route[] = [
  defineRoute({
    method: 'GET',
    path: '/folders/:name/usage',
    access: 'user',
    right: 'read',
    body: 'json',
    input: noInput,
    answers: { 200: usageBody },
    doc: { tag: 'Folders', id: 'getUsage', summary: 'See what a folder holds' },
    handle: async ({ services, principal, params }) => {
      const request = { userId: principal.userId, nameOrId: params.name ?? '' };
      return { status: 200, body: await readUsage(services, request) };
    },
  }),
  defineRoute({
    method: 'POST',
    path: '/folders/:name/recalculate',
    access: 'user',
    right: 'write',
    body: 'json',
    input: noInput,
    answers: { 200: measuredBody, 202: acceptedBody },
    doc: {
      tag: 'Folders',
      id: 'recalculateUsage',
      summary: 'Count what a folder holds',
      refusals: jobRefusals,
      reads: ['Prefer'],
      sets: { 202: ['Location', 'Preference-Applied'] },
    },
    finished: counted,
    handle: async (request) => {
      const { services, principal, params } = request;
      const jobId = await requestMeasure(services, {
        userId: principal.userId,
        nameOrId: params.name ?? '',
      });
      return replyAfterJob(request, jobId, counted);
    },
  }),
];
