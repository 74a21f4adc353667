import { toHexId } from '../../domain/ids.ts';
import { noInput } from '../folders/schemas.ts';
import { acceptedReply } from '../http/job-reply.ts';
import { defineRoute, type Route } from '../route.ts';
import { listTrash, purgeFromTrash, restoreFolder } from './operations.ts';
import { presentTrashed, restoreInput } from './schemas.ts';

const list = defineRoute({
  method: 'GET',
  path: '/trash',
  access: 'user',
  right: null,
  body: 'json',
  input: noInput,
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
  handle: async ({ services, principal, params, preference }) => {
    const jobId = await purgeFromTrash(services, { userId: principal.userId, id: params.id ?? '' });
    return preference.respondAsync ? acceptedReply(jobId, preference, { id: jobId }) : { status: 204 };
  },
});

/** Folders that were deleted and can be had back. */
export const trashRoutes: readonly Route[] = [list, restore, purge];
