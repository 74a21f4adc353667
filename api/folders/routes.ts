import { toHexId } from '../../domain/ids.ts';
import { loadFolder } from '../authorize.ts';
import { acceptedReply, replyAfterJob } from '../http/job-reply.ts';
import { readPaging } from '../http/schema.ts';
import { startedClone } from '../profiles/clone.ts';
import {
  bareFolder,
  bareFolderList,
  changedOptions,
  createdFolder,
  withMessage,
} from '../profiles/folders.ts';
import { type ApiRequest, defineRoute, type Reply, type Route } from '../route.ts';
import { cloneFolder } from './clone.ts';
import { changeOptions, createFolder, deleteFolder, listFolders, renameFolder } from './operations.ts';
import {
  cloneFolderInput,
  createFolderInput,
  folderOptionsInput,
  listFoldersInput,
  noInput,
  presentClone,
  presentCreatedFolder,
  presentFolderDetails,
  presentFolderPage,
  presentOptions,
  renameFolderInput,
} from './schemas.ts';

/** The folder a path names; routes without `:name` never ask. */
function folderNamed(params: Readonly<Record<string, string>>): string {
  return params.name ?? '';
}

const list = defineRoute({
  method: 'GET',
  path: '/folders',
  access: 'user',
  right: null,
  body: 'json',
  input: listFoldersInput,
  handle: async ({ services, principal, input }) => {
    const page = await listFolders(services, { userId: principal.userId, paging: readPaging(input) });
    return { status: 200, body: presentFolderPage(page) };
  },
  client: bareFolderList,
});

/** Creation has two paths: the documented one, and the one that published clients use. */
function createAt(path: string): Route {
  return defineRoute({
    method: 'POST',
    path,
    access: 'user',
    right: null,
    body: 'json',
    input: createFolderInput,
    handle: async ({ services, principal, input }) => {
      const { name, usage_mode: usageMode, cloneable, permission } = input;
      const request = { userId: principal.userId, name, host: input.host ?? undefined };
      const options = { usageMode, cloneable, permission };
      return {
        status: 201,
        body: presentCreatedFolder(await createFolder(services, { ...request, options })),
      };
    },
    client: createdFolder,
  });
}

const read = defineRoute({
  method: 'GET',
  path: '/folders/:name',
  access: 'user',
  right: 'read',
  body: 'json',
  input: noInput,
  handle: async ({ services, principal, params }) => {
    const request = { userId: principal.userId, nameOrId: folderNamed(params), right: 'read' } as const;
    return { status: 200, body: { item: presentFolderDetails(await loadFolder(services, request)) } };
  },
  client: bareFolder,
});

const clone = defineRoute({
  method: 'POST',
  path: '/folders/:name/clone',
  access: 'user',
  right: 'read',
  body: 'json',
  input: cloneFolderInput,
  handle: async (request) => {
    const { services, principal, params, input } = request;
    const { usage_mode: usageMode, cloneable, permission } = input;
    const { folder, jobId } = await cloneFolder(services, {
      userId: principal.userId,
      nameOrId: folderNamed(params),
      targetName: input.target_name,
      host: input.target_host ?? undefined,
      options: { usageMode, cloneable, permission },
    });
    return replyAfterJob(request, jobId, (job) => ({ status: 201, body: presentClone(folder, job.result) }));
  },
  client: startedClone,
});

const updateOptions = defineRoute({
  method: 'POST',
  path: '/folders/:name/update-options',
  access: 'user',
  right: 'own',
  body: 'json',
  input: folderOptionsInput,
  handle: async ({ services, principal, params, input }) => {
    const request = { userId: principal.userId, nameOrId: folderNamed(params), ...input };
    return { status: 200, body: presentOptions(await changeOptions(services, request)) };
  },
  client: changedOptions,
});

const rename = defineRoute({
  method: 'POST',
  path: '/folders/:name/rename',
  access: 'user',
  right: 'read',
  body: 'json',
  input: renameFolderInput,
  handle: async ({ services, principal, params, input }) => {
    const request = { userId: principal.userId, nameOrId: folderNamed(params), newName: input.new_name };
    const id = await renameFolder(services, request);
    return { status: 200, body: { id: toHexId(id), name: input.new_name } };
  },
  client: withMessage,
});

async function handleDelete(request: ApiRequest<object>): Promise<Reply> {
  const { services, principal, params, preference } = request;
  const retentionDays = services.trashDays;
  const folder = { userId: principal.userId, nameOrId: folderNamed(params), retentionDays };
  const jobId = await deleteFolder(services, folder);
  const isJob = jobId !== null && preference.respondAsync;
  return isJob ? acceptedReply(jobId, preference, { id: jobId }) : { status: 204 };
}

const remove = defineRoute({
  method: 'DELETE',
  path: '/folders/:name',
  access: 'user',
  right: 'own',
  body: 'json',
  input: noInput,
  handle: handleDelete,
});

/** List, create, read and delete folders. */
export const folderRoutes: readonly Route[] = [
  list,
  createAt('/folders/create'),
  createAt('/folders'),
  read,
  rename,
  updateOptions,
  clone,
  remove,
];
