import { z } from 'zod';
import { transferFolder } from '../folders/members/transfer.ts';
import { deleteFolder } from '../folders/operations.ts';
import { defineRoute, type Route } from '../route.ts';
import { readUsage, type UsageView } from '../usage/operations.ts';
import { findFolderId } from './find-folder.ts';

const idAliases = { vfolder_name: 'name', vfolderName: 'name' } as const;
/** Names of the parameter that says which folder is meant. */
export const folderAliases = { vfolderId: 'id', vfolder_id: 'id' } as const;

/** Clients from 24.03 on ask for the id of a name before anything else. */
const findId = defineRoute({
  method: 'GET',
  path: '/folders/_/id',
  access: 'user',
  right: null,
  body: 'json',
  input: z.object({ name: z.string() }),
  handle: async ({ services, principal, input }) => {
    return {
      status: 200,
      body: await findFolderId(services, { userId: principal.userId, name: input.name }),
    };
  },
  client: { aliases: idAliases },
});

const deleteById = defineRoute({
  method: 'DELETE',
  path: '/folders',
  access: 'user',
  right: null,
  body: 'json',
  input: z.object({ id: z.string() }),
  handle: async ({ services, principal, input }) => {
    const retentionDays = services.trashDays;
    await deleteFolder(services, { userId: principal.userId, nameOrId: input.id, retentionDays });
    return { status: 204 };
  },
  client: { aliases: folderAliases },
});

const changeOwner = defineRoute({
  method: 'POST',
  path: '/folders/_/change-ownership',
  access: 'user',
  right: null,
  body: 'json',
  input: z.object({ vfolder: z.string(), user_email: z.string() }),
  handle: async ({ services, principal, input }) => {
    const folder = { userId: principal.userId, nameOrId: input.vfolder };
    await transferFolder(services, { ...folder, to: input.user_email, isForced: principal.role === 'admin' });
    return { status: 200, body: { msg: 'The folder has a new owner.' } };
  },
});

/** What clients ask of one folder under `/folders/_/`; the host they name beside it says nothing more. */
function figureAt(path: string, present: (usage: UsageView) => Readonly<Record<string, number>>): Route {
  return defineRoute({
    method: 'GET',
    path,
    access: 'user',
    right: null,
    body: 'json',
    input: z.object({ id: z.string() }),
    handle: async ({ services, principal, input }) => {
      const usage = await readUsage(services, { userId: principal.userId, nameOrId: input.id });
      return { status: 200, body: { data: present(usage) } };
    },
    client: { aliases: folderAliases },
  });
}

/** Folders addressed by a parameter instead of the path. */
export const folderClientRoutes: readonly Route[] = [
  findId,
  deleteById,
  changeOwner,
  figureAt('/folders/_/usage', ({ live }) => ({ file_count: live.files, used_bytes: live.bytes })),
  figureAt('/folders/_/used-bytes', ({ live }) => ({ used_bytes: live.bytes })),
  figureAt('/folders/_/quota', ({ live, limit }) => ({ used_bytes: live.bytes, size_bytes: limit.bytes })),
];
