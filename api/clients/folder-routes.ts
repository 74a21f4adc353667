import { z } from 'zod';
import { transferFolder } from '../folders/members/transfer.ts';
import { deleteFolder } from '../folders/operations.ts';
import { deleteFolderInput, folderNameBody } from '../folders/schemas.ts';
import { count, messageBody } from '../http/wire.ts';
import type { Answers } from '../openapi/answers.ts';
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
  answers: { 200: folderNameBody },
  doc: { tag: 'Clients', id: 'findFolderId', summary: 'Find the id of a folder', refusals: ['not_found'] },
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
  input: deleteFolderInput.extend({ id: z.string() }),
  answers: { 204: null },
  doc: {
    tag: 'Clients',
    id: 'deleteFolderById',
    summary: 'Delete a folder',
    refusals: ['not_found', 'folder_mounted', 'volume_read_only'],
  },
  handle: async ({ services, principal, input }) => {
    const { id: nameOrId, force: isForced } = input;
    const removal = { userId: principal.userId, retentionDays: services.trashDays, isForced };
    await deleteFolder(services, { ...removal, nameOrId });
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
  answers: { 200: messageBody },
  doc: {
    tag: 'Clients',
    id: 'changeFolderOwner',
    summary: 'Give a folder to somebody else',
    refusals: ['not_found', 'folder_limit_reached', 'folder_name_taken'],
  },
  handle: async ({ services, principal, input }) => {
    const folder = { userId: principal.userId, nameOrId: input.vfolder };
    await transferFolder(services, { ...folder, to: input.user_email, isForced: principal.role === 'admin' });
    return { status: 200, body: { msg: 'The folder has a new owner.' } };
  },
});

/** What clients ask of one folder under `/folders/_/`; the host they name beside it says nothing more. */
function figureAt<Shape extends Readonly<Record<string, typeof count>>>(
  path: string,
  id: string,
  {
    shape,
    present,
  }: { readonly shape: Shape; readonly present: (usage: UsageView) => Record<keyof Shape, number> },
): Route {
  const answers: Answers = { 200: z.object({ data: z.object(shape) }) };
  return defineRoute({
    method: 'GET',
    path,
    access: 'user',
    right: null,
    body: 'json',
    input: z.object({ id: z.string() }),
    answers,
    doc: { tag: 'Clients', id, summary: 'See a figure of a folder', refusals: ['not_found'] },
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
  figureAt('/folders/_/usage', 'getFolderUsage', {
    shape: { file_count: count, used_bytes: count },
    present: ({ live }) => ({ file_count: live.files, used_bytes: live.bytes }),
  }),
  figureAt('/folders/_/used-bytes', 'getFolderUsedBytes', {
    shape: { used_bytes: count },
    present: ({ live }) => ({ used_bytes: live.bytes }),
  }),
  figureAt('/folders/_/quota', 'getFolderQuota', {
    shape: { used_bytes: count, size_bytes: count },
    present: ({ live, limit }) => ({ used_bytes: live.bytes, size_bytes: limit.bytes }),
  }),
];
