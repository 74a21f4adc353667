import { z } from 'zod';
import type { JobView } from '../../jobs/job-client.ts';
import { replyAfterJob } from '../http/job-reply.ts';
import { acceptedBody } from '../http/wire.ts';
import { defineRoute, type Route } from '../route.ts';
import { committedFiles } from './commit-result.ts';
import { receiveUpload } from './operations.ts';
import { uploadedBody, uploadRefusals } from './schemas.ts';

function uploaded(job: JobView) {
  return { status: 201, body: { files: committedFiles(job) } } as const;
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
    answers: { 201: uploadedBody, 202: acceptedBody },
    doc: {
      tag: 'Files',
      id: 'uploadFiles',
      summary: 'Upload files as multipart/form-data; the file name of a part is its path in the folder',
      refusals: [...uploadRefusals, 'upload_empty', 'body_too_large'],
      reads: ['Prefer'],
      sets: { 202: ['Location', 'Preference-Applied'] },
      takes: {
        'multipart/form-data': {
          type: 'object',
          additionalProperties: { type: 'string', format: 'binary' },
        },
      },
    },
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
