import { z } from 'zod';
import { deleteFolder } from '../folders/operations.ts';
import { defineRoute, type Route } from '../route.ts';
import { purgeFromTrash, restoreFolder } from '../trash/operations.ts';
import { folderAliases } from './folder-routes.ts';

const byId = z.object({ id: z.string() });

const restore = defineRoute({
  method: 'POST',
  path: '/folders/restore-from-trash-bin',
  access: 'user',
  right: null,
  body: 'json',
  input: byId,
  answers: { 204: null },
  doc: {
    tag: 'Clients',
    id: 'restoreFolderById',
    summary: 'Have a deleted folder back',
    refusals: ['not_found', 'name_invalid', 'folder_name_taken', 'folder_limit_reached'],
  },
  handle: async ({ services, principal, input }) => {
    await restoreFolder(services, { userId: principal.userId, id: input.id });
    return { status: 204 };
  },
  client: { aliases: folderAliases },
});

/** Clients end a folder in the trash in one step or, as administrators did of old, in two; both mean for ever. */
function purgeAt(path: string, id: string): Route {
  return defineRoute({
    method: 'POST',
    path,
    access: 'user',
    right: null,
    body: 'json',
    input: byId,
    answers: { 204: null },
    doc: {
      tag: 'Clients',
      id,
      summary: 'Delete a folder for ever',
      refusals: ['not_found', 'volume_read_only'],
    },
    handle: async ({ services, principal, input }) => {
      await purgeFromTrash(services, { userId: principal.userId, id: input.id });
      return { status: 204 };
    },
    client: { aliases: folderAliases },
  });
}

const deleteForEver = defineRoute({
  method: 'DELETE',
  path: '/folders/:name/force',
  access: 'user',
  right: 'own',
  body: 'json',
  input: z.object({}),
  answers: { 204: null },
  doc: {
    tag: 'Clients',
    id: 'deleteFolderForEver',
    summary: 'Delete a folder for ever',
    refusals: ['volume_read_only'],
  },
  handle: async ({ services, principal, params }) => {
    const folder = { userId: principal.userId, nameOrId: params.name ?? '' };
    await deleteFolder(services, { ...folder, retentionDays: 0, isForced: true });
    return { status: 204 };
  },
});

/** The trash as clients know it: folders in it are named by id. */
export const trashClientRoutes: readonly Route[] = [
  restore,
  purgeAt('/folders/delete-from-trash-bin', 'purgeFolderFromTrash'),
  purgeAt('/folders/purge', 'purgeFolderById'),
  deleteForEver,
];
