import { z } from 'zod';
import { deleteEntries } from '../deletions/operations.ts';
import { deleteFilesInput, deleteRefusals } from '../deletions/schemas.ts';
import { uuid } from '../http/wire.ts';
import { defineRoute, type Route } from '../route.ts';

/** As `delete_files`, but nobody waits for the room it frees; the job can be looked at under `/jobs`. */
const deleteLater = defineRoute({
  method: 'POST',
  path: '/folders/:name/delete-files-async',
  access: 'user',
  right: 'delete',
  body: 'json',
  input: deleteFilesInput,
  answers: { 202: z.object({ bgtask_id: uuid }) },
  doc: {
    tag: 'Clients',
    id: 'deleteFilesLater',
    summary: 'Delete files and directories without waiting',
    refusals: [...deleteRefusals, 'volume_read_only', 'volume_full'],
    sets: { 202: ['Location'] },
  },
  handle: async ({ services, principal, params, input }) => {
    const { jobId } = await deleteEntries(services, {
      userId: principal.userId,
      nameOrId: params.name ?? '',
      ...input,
    });
    return { status: 202, headers: { Location: `/jobs/${jobId}` }, body: { bgtask_id: jobId } };
  },
});

/** What only clients ask about the files of a folder. */
export const fileClientRoutes: readonly Route[] = [deleteLater];
