import { z } from 'zod';
import type { JobView } from '../../jobs/job-client.ts';
import { replyAfterJob } from '../http/job-reply.ts';
import { defineRoute, type Route } from '../route.ts';
import { committedFiles } from './commit-result.ts';
import { receiveUpload } from './operations.ts';

function uploaded(job: JobView) {
  return { status: 201, body: { files: committedFiles(job) } };
}

/** Uploading by multipart/form-data. */
export const uploadRoutes: readonly Route[] = [
  defineRoute({
    method: 'POST',
    path: '/folders/:name/upload',
    access: 'user',
    right: 'write',
    body: 'stream',
    holdsContinue: true,
    isTransfer: true,
    input: z.object({}),
    finished: uploaded,
    handle: async (request) => {
      const jobId = await receiveUpload(request.services, {
        userId: request.principal.userId,
        nameOrId: request.params.name ?? '',
        incoming: request.incoming,
        acceptBody: request.acceptBody,
        verifyBody: request.verifyBody,
        isAckedEarly: request.preference.respondAsync || request.preference.waitMs !== undefined,
      });
      return replyAfterJob(request, jobId, uploaded);
    },
  }),
];
