import type { z } from 'zod';
import { contentTypes } from '../downloads/content-types.ts';
import { readerOf } from '../downloads/operations.ts';
import { acceptedReply, replyAfterJob } from '../http/job-reply.ts';
import { pathPrefixOf, publicPath } from '../http/public-path.ts';
import { fileAnswers, fileRefusals, sendFile } from '../http/send-file.ts';
import { contentSets, rangeHeaders } from '../openapi/headers.ts';
import { type ApiRequest, defineRoute, type Route } from '../route.ts';
import { openArchive, removeArchive, requestArchive } from './operations.ts';
import { archiveBody, archiveContentInput, archiveInput, builtArchiveBody } from './schemas.ts';

async function createArchive(request: ApiRequest<z.infer<typeof archiveInput>>) {
  const { services, principal, params, input, preference } = request;
  const id = await requestArchive(services, {
    ...input,
    userId: principal.userId,
    nameOrId: params.name ?? '',
  });
  const body = { id, job: publicPath(pathPrefixOf(services.publicUrl), `/jobs/${id}`) };
  // Building takes as long as it takes; only a caller that names a time waits for it.
  if (preference.waitMs === undefined) return acceptedReply(id, preference, body);
  const reply = await replyAfterJob(request, id, (job) => ({
    status: 201 as const,
    headers: { Location: `/archives/${id}` },
    body: { ...body, result: job.result },
  }));
  return reply.status === 202 ? { ...reply, body } : reply;
}

async function sendArchiveFile(request: ApiRequest<unknown>): Promise<'sent'> {
  const { archive, file, mayRead } = await openArchive(request.services, {
    ...readerOf(request.principal),
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
  defineRoute({
    method: 'POST',
    path: '/folders/:name/archives',
    access: 'user',
    right: 'read',
    body: 'json',
    input: archiveInput,
    answers: { 201: builtArchiveBody, 202: archiveBody },
    doc: {
      tag: 'Archives',
      id: 'createArchive',
      summary: 'Have an archive built',
      refusals: [
        'path_invalid',
        'entry_not_found',
        'entry_not_regular',
        'archives_busy',
        'archive_limit_reached',
        'volume_read_only',
        'volume_full',
        'job_failed',
        'job_cancelled',
      ],
      reads: ['Prefer'],
      sets: { 201: ['Location'], 202: ['Location', 'Preference-Applied'] },
    },
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
      answers: fileAnswers(Object.values(contentTypes)),
      doc: {
        tag: 'Archives',
        id: method === 'GET' ? 'downloadArchive' : 'inspectArchive',
        summary: method === 'GET' ? 'Download an archive' : 'See the size of an archive',
        refusals: ['not_found', 'volume_unavailable', ...fileRefusals],
        reads: rangeHeaders,
        sets: contentSets,
      },
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
    answers: { 204: null },
    doc: {
      tag: 'Archives',
      id: 'deleteArchive',
      summary: 'Delete an archive',
      refusals: ['not_found', 'volume_read_only', 'volume_unavailable'],
    },
    handle: async ({ services, principal, params }) => {
      await removeArchive(services, { userId: principal.userId, id: params.id ?? '' });
      return { status: 204 };
    },
  }),
];
