import { z } from 'zod';
import { domainError } from '../../domain/errors.ts';
import type { JobView } from '../../jobs/job-client.ts';
import { replyAfterJob } from '../http/job-reply.ts';
import { defineRoute, type Reply, type Route } from '../route.ts';
import { receiveUpload } from './operations.ts';

/** What `upload.commit` reports. */
const commitResult = z.object({
  files: z.array(z.object({ path: z.string(), size: z.number(), sha256: z.string() })),
  failed: z.array(z.object({ path: z.string(), code: z.string() })),
});

function committed(job: JobView): Reply {
  const result = commitResult.parse(job.result);
  const lost = result.failed[0];
  if (lost !== undefined) {
    throw domainError('entry_conflict', `"${lost.path}" exists and cannot be replaced.`);
  }
  return { status: 201, body: { files: result.files } };
}

/** Uploading by multipart/form-data. */
export const uploadRoutes: readonly Route[] = [
  defineRoute({
    method: 'POST',
    path: '/folders/:name/upload',
    access: 'user',
    right: 'write',
    body: 'stream',
    input: z.object({}),
    handle: async (request) => {
      const jobId = await receiveUpload(request.services, {
        userId: request.principal.userId,
        nameOrId: request.params.name ?? '',
        incoming: request.incoming,
        isAckedEarly: request.preference.respondAsync || request.preference.waitMs !== undefined,
      });
      return replyAfterJob(request, jobId, committed);
    },
  }),
];
