import type { z } from 'zod';
import type { AdminFolder } from '../../db/queries/admin-folders.ts';
import { toHexId } from '../../domain/ids.ts';
import { directoriesMaxOf } from '../../domain/quota.ts';
import { jobRefusals, replyAfterJob } from '../http/job-reply.ts';
import { noInput } from '../http/schema.ts';
import { acceptedBody } from '../http/wire.ts';
import { operatorOf } from '../operator.ts';
import { defineRoute, type Route } from '../route.ts';
import { counted, measuredBody } from '../usage/routes.ts';
import { changeQuota, readAdminFolder, readAdminFolders, requestRecount } from './operations.ts';
import { adminFolderBody, adminFolderPageBody, folderListInput, quotaInput } from './schemas.ts';

const common = { access: 'admin', right: null, body: 'json' } as const;

function toBody(folder: AdminFolder): z.infer<typeof adminFolderBody> {
  return {
    id: toHexId(folder.id),
    name: folder.name,
    owner: folder.ownerId,
    owner_email: folder.ownerEmail,
    host: folder.volume,
    state: folder.state === 'trashed' ? 'trashed' : 'active',
    quota_bytes: folder.quotaBytes,
    quota_files: folder.quotaFiles,
    used_bytes: folder.usedBytes,
    used_files: folder.usedFiles,
    trash_bytes: folder.trashBytes,
    trash_files: folder.trashFiles,
    reserved_bytes: folder.reservedBytes,
    reserved_files: folder.reservedFiles,
    directories: folder.directories,
    directories_max: directoriesMaxOf(folder),
    created_at: folder.createdAt.toISOString(),
  };
}

/** Routes about everybody's folders and their limits, for administrators; content is for members only. */
export const quotaRoutes: readonly Route[] = [
  defineRoute({
    ...common,
    method: 'GET',
    path: '/admin/folders',
    input: folderListInput,
    answers: { 200: adminFolderPageBody },
    doc: {
      tag: 'Administration',
      id: 'listAllFolders',
      summary: 'List the folders of everyone with their limits',
      refusals: ['not_found'],
    },
    handle: async ({ services, input }) => {
      const { user, cursor, limit } = input;
      const { folders, nextCursor } = await readAdminFolders(services, { user, cursor, limit });
      return { status: 200, body: { items: folders.map(toBody), next_cursor: nextCursor } };
    },
  }),
  defineRoute({
    ...common,
    method: 'GET',
    path: '/admin/folders/:id',
    input: noInput,
    answers: { 200: adminFolderBody },
    doc: {
      tag: 'Administration',
      id: 'getAnyFolder',
      summary: 'See limits and usage of any folder',
      refusals: ['not_found'],
    },
    handle: async ({ services, params }) => ({
      status: 200,
      body: toBody(await readAdminFolder(services, params.id ?? '')),
    }),
  }),
  defineRoute({
    ...common,
    method: 'PATCH',
    path: '/admin/folders/:id',
    input: quotaInput,
    answers: { 200: adminFolderBody },
    doc: {
      tag: 'Administration',
      id: 'changeQuota',
      summary: 'Give a folder other limits',
      refusals: ['not_found'],
    },
    handle: async (call) => {
      const { services, params, input } = call;
      const { quota_bytes: quotaBytes, quota_files: quotaFiles } = input;
      const change = { operator: operatorOf(call), id: params.id ?? '', quotaBytes, quotaFiles };
      return { status: 200, body: toBody(await changeQuota(services, change)) };
    },
  }),
  defineRoute({
    ...common,
    method: 'POST',
    path: '/admin/folders/:id/recalculate',
    input: noInput,
    answers: { 200: measuredBody, 202: acceptedBody },
    doc: {
      tag: 'Administration',
      id: 'recalculateAnyUsage',
      summary: 'Count what any folder holds',
      refusals: ['not_found', ...jobRefusals],
      reads: ['Prefer'],
      sets: { 202: ['Location', 'Preference-Applied'] },
    },
    finished: counted,
    handle: async (call) => {
      const { services, params } = call;
      const jobId = await requestRecount(services, { operator: operatorOf(call), id: params.id ?? '' });
      return replyAfterJob(call, jobId, counted);
    },
  }),
];
