import { z } from 'zod';
import type { JobView } from '../../jobs/job-client.ts';
import { replyAfterJob } from '../http/job-reply.ts';
import { defineRoute, type Reply, type Route } from '../route.ts';
import { readUsage, requestMeasure } from './operations.ts';

const noInput = z.object({});

function counted(job: JobView): Reply {
  return { status: 200, body: job.result };
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
