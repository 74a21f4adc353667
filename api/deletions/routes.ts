import { z } from 'zod';
import { domainError } from '../../domain/errors.ts';
import { acceptedReply, jobRefusals, replyAfterJob } from '../http/job-reply.ts';
import { acceptedBody } from '../http/wire.ts';
import { withMessage } from '../profiles/folders.ts';
import { defineRoute, type Route } from '../route.ts';
import { finishedEntries } from './finished-entries.ts';
import { type DeletedEntry, deleteEntries } from './operations.ts';
import { deletedBody, deleteFilesInput, deleteRefusals } from './schemas.ts';

/** How long the answer waits for small deletes to give their room back, so that the next upload finds it free. */
const quickPurgeWaitMs = 1_000;

const messages = {
  not_found: 'not found',
  changed: 'replaced by something else meanwhile',
  kept: 'in use or locked',
} as const;

/** @throws entry_conflict when nothing at all could be taken out */
function resultsOf(entries: readonly DeletedEntry[]) {
  if (entries.every(({ outcome }) => outcome === 'kept')) {
    throw domainError('entry_conflict', 'The entry is in use, or its permissions keep the service out.');
  }
  return {
    success: entries.filter(({ outcome }) => outcome === 'deleted').map(({ path }) => ({ item: path })),
    failed: entries.flatMap(({ path, outcome }) =>
      outcome === 'deleted' ? [] : [{ item: path, msg: messages[outcome] }],
    ),
  };
}

/** Deleting entries inside a folder. */
export const deletionRoutes: readonly Route[] = [
  defineRoute({
    method: 'DELETE',
    path: '/folders/:name/delete_files',
    access: 'user',
    right: 'delete',
    body: 'json',
    input: deleteFilesInput,
    answers: { 200: deletedBody, 202: z.union([deletedBody, acceptedBody]) },
    doc: {
      tag: 'Files',
      id: 'deleteFiles',
      summary: 'Delete files and directories',
      refusals: [...deleteRefusals, ...jobRefusals],
      reads: ['Prefer'],
      sets: { 202: ['Location', 'Preference-Applied'] },
    },
    handle: async (request) => {
      const { services, principal, params, input, preference, signal } = request;
      const result = await deleteEntries(services, {
        userId: principal.userId,
        nameOrId: params.name ?? '',
        ...input,
      });
      const { jobId, entries } = result;
      if (result.isHandedOver) {
        return await replyAfterJob(request, jobId, (job) => ({
          status: 200 as const,
          body: { results: resultsOf(finishedEntries(job, entries)), job_id: jobId },
        }));
      }
      const body = { results: resultsOf(entries), job_id: jobId };
      if (preference.respondAsync) return acceptedReply(jobId, preference, body);
      // Entries are out of view already; freeing a directory may take long and nobody has to wait for it.
      if (result.isQuick) await services.jobs.wait(jobId, { timeoutMs: quickPurgeWaitMs, signal });
      return { status: 200, body };
    },
    client: withMessage,
  }),
];
