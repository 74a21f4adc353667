import { toHexId } from '../../domain/ids.ts';
import { folderNameBody, noInput } from '../folders/schemas.ts';
import { acceptedReply } from '../http/job-reply.ts';
import { acceptedBody } from '../http/wire.ts';
import { defineRoute, type Route } from '../route.ts';
import { listTrash, purgeFromTrash, restoreFolder } from './operations.ts';
import { presentTrashed, restoreInput, trashBody } from './schemas.ts';

const list = defineRoute({
  method: 'GET',
  path: '/trash',
  access: 'user',
  right: null,
  body: 'json',
  input: noInput,
  answers: { 200: trashBody },
  doc: { tag: 'Folders', id: 'listTrash', summary: 'List deleted folders that can be had back' },
  handle: async ({ services, principal }) => {
    const trashed = await listTrash(services, principal.userId);
    return { status: 200, body: { items: trashed.map(presentTrashed) } };
  },
});

const restore = defineRoute({
  method: 'POST',
  path: '/trash/:id/restore',
  access: 'user',
  right: null,
  body: 'json',
  input: restoreInput,
  answers: { 200: folderNameBody },
  doc: {
    tag: 'Folders',
    id: 'restoreFolder',
    summary: 'Have a deleted folder back',
    refusals: ['not_found', 'name_invalid', 'folder_name_taken', 'folder_limit_reached'],
  },
  handle: async ({ services, principal, params, input }) => {
    const request = { userId: principal.userId, id: params.id ?? '', name: input.name ?? undefined };
    const { id, name } = await restoreFolder(services, request);
    return { status: 200, body: { id: toHexId(id), name } };
  },
});

const purge = defineRoute({
  method: 'DELETE',
  path: '/trash/:id',
  access: 'user',
  right: null,
  body: 'json',
  input: noInput,
  answers: { 202: acceptedBody, 204: null },
  doc: {
    tag: 'Folders',
    id: 'purgeFolder',
    summary: 'Delete a folder for ever',
    refusals: ['not_found', 'volume_read_only'],
    reads: ['Prefer'],
    sets: { 202: ['Location', 'Preference-Applied'] },
  },
  handle: async ({ services, principal, params, preference }) => {
    const jobId = await purgeFromTrash(services, { userId: principal.userId, id: params.id ?? '' });
    return preference.respondAsync ? acceptedReply(jobId, preference, { id: jobId }) : { status: 204 };
  },
});

/** Folders that were deleted and can be had back. */
export const trashRoutes: readonly Route[] = [list, restore, purge];
