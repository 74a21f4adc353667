import { domainError } from '../../domain/errors.ts';
import type { JobView } from '../../jobs/job-client.ts';
import { finishedEntries } from '../deletions/finished-entries.ts';
import { type DeletedEntry, deleteEntries } from '../deletions/operations.ts';
import { deleteRefusals } from '../deletions/schemas.ts';
import { acceptedReply, jobRefusals, replyAfterJob } from '../http/job-reply.ts';
import { readWriteCondition } from '../http/preconditions.ts';
import { acceptedBody } from '../http/wire.ts';
import { conditionHeaders, writeHeaders } from '../openapi/headers.ts';
import { defineRoute, type Route } from '../route.ts';
import { uploadRefusals } from '../uploads/schemas.ts';
import { putContent, writtenFile } from './operations.ts';
import { deleteContentInput, putContentInput, writtenBody } from './schemas.ts';

/** How long the answer waits for a file to give its room back, so that the next upload finds it free. */
const quickPurgeWaitMs = 1_000;
const contentPath = '/folders/:name/files/:path{.+}';

function written(job: JobView) {
  const { replaced, ...body } = writtenFile(job);
  const headers: Record<string, string> = body.etag === null ? {} : { ETag: body.etag };
  return replaced ? ({ status: 200, headers, body } as const) : ({ status: 201, headers, body } as const);
}

const put = defineRoute({
  method: 'PUT',
  path: contentPath,
  access: 'user',
  right: 'write',
  body: 'stream',
  holdsContinue: true,
  isTransfer: true,
  input: putContentInput,
  answers: { 200: writtenBody, 201: writtenBody, 202: acceptedBody },
  doc: {
    tag: 'Files',
    id: 'putFile',
    summary: 'Write one file, whole',
    refusals: [...uploadRefusals, 'precondition_failed', 'digest_mismatch', 'entry_not_regular'],
    reads: [...writeHeaders, 'Prefer'],
    sets: { 200: ['ETag'], 201: ['ETag'], 202: ['Location', 'Preference-Applied'] },
    takes: { 'application/octet-stream': { type: 'string', format: 'binary' } },
  },
  finished: written,
  handle: async (request) => {
    const { services, principal, params, input, preference, incoming, acceptBody, verifyBody } = request;
    const jobId = await putContent(services, {
      userId: principal.userId,
      nameOrId: params.name ?? '',
      path: params.path ?? '',
      ifExists: input.if_exists,
      incoming,
      acceptBody,
      verifyBody,
      isAckedEarly: preference.respondAsync || preference.waitMs !== undefined,
    });
    return replyAfterJob(request, jobId, written);
  },
});

/** @throws entry_not_found, entry_conflict unless the one entry is deleted */
function requireDeleted([entry]: readonly DeletedEntry[]): void {
  if (entry?.outcome === 'not_found') throw domainError('entry_not_found', 'No entry has that path.');
  if (entry?.outcome !== 'deleted') {
    throw domainError('entry_conflict', 'The entry is in use, locked, or was replaced meanwhile.');
  }
}

const remove = defineRoute({
  method: 'DELETE',
  path: contentPath,
  access: 'user',
  right: 'delete',
  body: 'json',
  input: deleteContentInput,
  answers: { 202: acceptedBody, 204: null },
  doc: {
    tag: 'Files',
    id: 'deleteFile',
    summary: 'Delete one file or directory',
    refusals: [...deleteRefusals, ...jobRefusals, 'precondition_failed'],
    reads: [...conditionHeaders, 'Prefer'],
    sets: { 202: ['Location', 'Preference-Applied'] },
  },
  handle: async (request) => {
    const { services, principal, params, input, preference, signal } = request;
    const { jobId, entries, isHandedOver, isQuick } = await deleteEntries(services, {
      userId: principal.userId,
      nameOrId: params.name ?? '',
      files: [params.path ?? ''],
      recursive: input.recursive,
      condition: readWriteCondition(request.headers, 'replace'),
    });
    if (isHandedOver) {
      return replyAfterJob(request, jobId, (job) => {
        requireDeleted(finishedEntries(job, entries));
        return { status: 204 } as const;
      });
    }
    requireDeleted(entries);
    if (preference.respondAsync) return acceptedReply(jobId, preference, { id: jobId });
    if (isQuick) await services.jobs.wait(jobId, { timeoutMs: quickPurgeWaitMs, signal });
    return { status: 204 };
  },
});

/** Writing and deleting one entry by its path. */
export const contentRoutes: readonly Route[] = [put, remove];
