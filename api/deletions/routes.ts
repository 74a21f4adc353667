import type { z } from 'zod';
import { defineRoute, type Route } from '../route.ts';
import { type DeleteResult, deleteEntries } from './operations.ts';
import { deleteFilesInput } from './schemas.ts';

/** How long the answer waits for small deletes to give their room back, so that the next upload finds it free. */
const quickPurgeWaitMs = 1_000;

function resultsOf({ entries }: DeleteResult) {
  const pick = (outcome: 'deleted' | 'not_found') =>
    entries.filter((entry) => entry.outcome === outcome).map(({ path }) => ({ item: path }));
  return {
    success: pick('deleted'),
    failed: pick('not_found').map((entry) => ({ ...entry, msg: 'not found' })),
  };
}

/** Deleting entries inside a folder. */
export const deletionRoutes: readonly Route[] = [
  defineRoute<z.infer<typeof deleteFilesInput>>({
    method: 'DELETE',
    path: '/folders/:name/delete_files',
    access: 'user',
    right: 'delete',
    body: 'json',
    input: deleteFilesInput,
    handle: async ({ services, principal, params, input, preference, signal }) => {
      const result = await deleteEntries(services, {
        userId: principal.userId,
        nameOrId: params.name ?? '',
        ...input,
      });
      const job = `/jobs/${result.jobId}`;
      if (preference.respondAsync) {
        const headers = { Location: job, 'Preference-Applied': 'respond-async' };
        return { status: 202, headers, body: { job_id: result.jobId, results: resultsOf(result) } };
      }
      // Entries are out of view already; freeing a directory may take long and nobody has to wait for it.
      if (result.isQuick) await services.jobs.wait(result.jobId, { timeoutMs: quickPurgeWaitMs, signal });
      return { status: 200, body: { results: resultsOf(result), job_id: result.jobId } };
    },
  }),
];
