import type { z } from 'zod';
import { toHexId } from '../../domain/ids.ts';
import { loadFolder } from '../authorize.ts';
import { acceptedReply, jobRefusals, replyAfterJob } from '../http/job-reply.ts';
import { readPaging } from '../http/schema.ts';
import { acceptedBody } from '../http/wire.ts';
import { startedClone } from '../profiles/clone.ts';
import {
  bareFolder,
  bareFolderList,
  changedOptions,
  createdFolder,
  withMessage,
} from '../profiles/folders.ts';
import { type ApiRequest, defineRoute, type Route } from '../route.ts';
import { cloneFolder } from './clone.ts';
import { changeOptions, createFolder, deleteFolder, listFolders, renameFolder } from './operations.ts';
import {
  clonedFolderBody,
  cloneFolderInput,
  createdFolderBody,
  createFolderInput,
  deleteFolderInput,
  folderBody,
  folderNameBody,
  folderOptionsBody,
  folderOptionsInput,
  folderPageBody,
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
  answers: { 200: folderPageBody },
  doc: { tag: 'Folders', id: 'listFolders', summary: 'List your folders and those shared with you' },
  handle: async ({ services, principal, input }) => {
    const page = await listFolders(services, { userId: principal.userId, paging: readPaging(input) });
    return { status: 200, body: presentFolderPage(page) };
  },
  client: bareFolderList,
});

/** Creation has two paths: the documented one, and the one that published clients use. */
function createAt(path: string, id: string): Route {
  return defineRoute({
    method: 'POST',
    path,
    access: 'user',
    right: null,
    body: 'json',
    input: createFolderInput,
    answers: { 201: createdFolderBody },
    doc: {
      tag: 'Folders',
      id,
      summary: 'Make a folder',
      refusals: [
        'name_invalid',
        'folder_name_taken',
        'folder_limit_reached',
        'volume_read_only',
        'volume_draining',
        'volume_not_allowed',
        'volume_full',
        'volume_unavailable',
      ],
    },
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
  answers: { 200: folderBody },
  doc: { tag: 'Folders', id: 'getFolder', summary: 'See a folder' },
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
  answers: { 201: clonedFolderBody, 202: acceptedBody },
  doc: {
    tag: 'Folders',
    id: 'cloneFolder',
    summary: 'Make a folder with the content of another',
    refusals: [
      'name_invalid',
      'folder_name_taken',
      'folder_limit_reached',
      'quota_exceeded',
      'volume_draining',
      'volume_not_allowed',
      ...jobRefusals,
    ],
    reads: ['Prefer'],
    sets: { 202: ['Location', 'Preference-Applied'] },
  },
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
    return replyAfterJob(request, jobId, (job) => ({
      status: 201 as const,
      body: presentClone(folder, job.result),
    }));
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
  answers: { 200: folderOptionsBody },
  doc: { tag: 'Folders', id: 'updateFolderOptions', summary: 'Change the options of a folder' },
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
  answers: { 200: folderNameBody },
  doc: {
    tag: 'Folders',
    id: 'renameFolder',
    summary: 'Change your own name for a folder',
    refusals: ['name_invalid', 'folder_name_taken'],
  },
  handle: async ({ services, principal, params, input }) => {
    const request = { userId: principal.userId, nameOrId: folderNamed(params), newName: input.new_name };
    const id = await renameFolder(services, request);
    return { status: 200, body: { id: toHexId(id), name: input.new_name } };
  },
  client: withMessage,
});

async function handleDelete(request: ApiRequest<z.infer<typeof deleteFolderInput>>) {
  const { services, principal, params, input, preference } = request;
  const retentionDays = services.trashDays;
  const folder = { userId: principal.userId, nameOrId: folderNamed(params), retentionDays };
  const isForced = input.force;
  const jobId = await deleteFolder(services, { ...folder, isForced });
  const isJob = jobId !== null && preference.respondAsync;
  return isJob ? acceptedReply(jobId, preference, { id: jobId }) : ({ status: 204 } as const);
}

const remove = defineRoute({
  method: 'DELETE',
  path: '/folders/:name',
  access: 'user',
  right: 'own',
  body: 'json',
  input: deleteFolderInput,
  answers: { 202: acceptedBody, 204: null },
  doc: {
    tag: 'Folders',
    id: 'deleteFolder',
    summary: 'Delete a folder',
    refusals: ['folder_mounted', 'volume_read_only'],
    reads: ['Prefer'],
    sets: { 202: ['Location', 'Preference-Applied'] },
  },
  handle: handleDelete,
});

/** List, create, read and delete folders. */
export const folderRoutes: readonly Route[] = [
  list,
  createAt('/folders/create', 'createFolderAtCreate'),
  createAt('/folders', 'createFolder'),
  read,
  rename,
  updateOptions,
  clone,
  remove,
];
