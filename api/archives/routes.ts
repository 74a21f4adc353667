import type { z } from 'zod';
import { contentTypes } from '../downloads/content-types.ts';
import { acceptedReply, replyAfterJob } from '../http/job-reply.ts';
import { sendFile } from '../http/send-file.ts';
import { type ApiRequest, defineRoute, type Reply, type Route } from '../route.ts';
import { openArchive, removeArchive, requestArchive } from './operations.ts';
import { archiveContentInput, archiveInput } from './schemas.ts';

async function createArchive(request: ApiRequest<z.infer<typeof archiveInput>>): Promise<Reply> {
  const { services, principal, params, input, preference } = request;
  const id = await requestArchive(services, {
    ...input,
    userId: principal.userId,
    nameOrId: params.name ?? '',
  });
  const body = { id, job: `/jobs/${id}` };
  // Building takes as long as it takes; only a caller that names a time waits for it.
  if (preference.waitMs === undefined) return acceptedReply(id, preference, body);
  const reply = await replyAfterJob(request, id, (job) => ({
    status: 201,
    headers: { Location: `/archives/${id}` },
    body: { ...body, result: job.result },
  }));
  return reply !== 'sent' && reply.status === 202 ? { ...reply, body } : reply;
}

async function sendArchiveFile(request: ApiRequest<unknown>): Promise<Reply> {
  const { archive, file, mayRead } = await openArchive(request.services, {
    userId: request.principal.userId,
    id: request.params.id ?? '',
  });
  return await sendFile(request, {
    file,
    mayRead,
    fileName: archive.fileName,
    contentType: contentTypes[archive.format],
  });
}

/** Archives built by a job: asking for one, downloading it while it lasts, and removing it. */
export const archiveRoutes: readonly Route[] = [
  defineRoute<z.infer<typeof archiveInput>>({
    method: 'POST',
    path: '/folders/:name/archives',
    access: 'user',
    right: 'read',
    body: 'json',
    input: archiveInput,
    handle: createArchive,
  }),
  ...(['GET', 'HEAD'] as const).map((method) =>
    defineRoute({
      method,
      path: '/archives/:id',
      access: 'user',
      right: null,
      body: 'json',
      isTransfer: true,
      input: archiveContentInput,
      handle: sendArchiveFile,
    }),
  ),
  defineRoute({
    method: 'DELETE',
    path: '/archives/:id',
    access: 'user',
    right: null,
    body: 'json',
    input: archiveContentInput,
    handle: async ({ services, principal, params }) => {
      await removeArchive(services, { userId: principal.userId, id: params.id ?? '' });
      return { status: 204 };
    },
  }),
];
