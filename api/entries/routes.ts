import type { JobView } from '../../jobs/job-client.ts';
import { replyAfterJob } from '../http/job-reply.ts';
import { acceptedBody } from '../http/wire.ts';
import { withMessage } from '../profiles/folders.ts';
import { defineRoute, type Route } from '../route.ts';
import { copyEntry, moveEntry, renameEntry } from './operations.ts';
import {
  copiedResult,
  copyInput,
  moveInput,
  placedResult,
  placeRefusals,
  renameFileInput,
} from './schemas.ts';

function placed(job: JobView) {
  return { status: 200, body: placedResult.parse(job.result) } as const;
}

const move = defineRoute({
  method: 'POST',
  path: '/folders/:name/move',
  access: 'user',
  right: 'write',
  body: 'json',
  input: moveInput,
  answers: { 200: placedResult, 202: acceptedBody },
  doc: {
    tag: 'Files',
    id: 'moveEntry',
    summary: 'Move a file or directory inside its folder',
    refusals: [...placeRefusals],
    reads: ['Prefer'],
    sets: { 202: ['Location', 'Preference-Applied'] },
  },
  finished: placed,
  handle: async (request) => {
    const { services, principal, params, input } = request;
    const entry = { userId: principal.userId, nameOrId: params.name ?? '', from: input.src, to: input.dst };
    return replyAfterJob(request, await moveEntry(services, entry), placed);
  },
  client: withMessage,
});

function copied(job: JobView) {
  return { status: 201, body: copiedResult.parse(job.result) } as const;
}

const copy = defineRoute({
  method: 'POST',
  path: '/folders/:name/copy',
  access: 'user',
  right: 'write',
  body: 'json',
  input: copyInput,
  answers: { 201: copiedResult, 202: acceptedBody },
  doc: {
    tag: 'Files',
    id: 'copyEntry',
    summary: 'Copy a file or directory into the folder, from there or from another one',
    refusals: [...placeRefusals, 'quota_exceeded', 'entry_not_regular'],
    reads: ['Prefer'],
    sets: { 202: ['Location', 'Preference-Applied'] },
  },
  finished: copied,
  handle: async (request) => {
    const { services, principal, params, input } = request;
    const { src: from, dst: to, src_folder: fromFolder } = input;
    const entry = { userId: principal.userId, nameOrId: params.name ?? '', from, to, fromFolder };
    return replyAfterJob(request, await copyEntry(services, entry), copied);
  },
});

const renameFile = defineRoute({
  method: 'POST',
  path: '/folders/:name/rename-file',
  access: 'user',
  right: 'write',
  body: 'json',
  input: renameFileInput,
  answers: { 200: placedResult, 202: acceptedBody },
  doc: {
    tag: 'Files',
    id: 'renameEntry',
    summary: 'Give a file or directory another name',
    refusals: [...placeRefusals],
    reads: ['Prefer'],
    sets: { 202: ['Location', 'Preference-Applied'] },
  },
  finished: placed,
  handle: async (request) => {
    const { services, principal, params, input } = request;
    const { target_path: path, new_name: newName } = input;
    const entry = { userId: principal.userId, nameOrId: params.name ?? '', path, newName };
    return replyAfterJob(request, await renameEntry(services, entry), placed);
  },
  client: withMessage,
});

/** Moving and copying entries. */
export const entryRoutes: readonly Route[] = [move, renameFile, copy];
