import { z } from 'zod';
import type { JobView } from '../../jobs/job-client.ts';
import { replyAfterJob } from '../http/job-reply.ts';
import { withMessage } from '../profiles/folders.ts';
import { defineRoute, type Reply, type Route } from '../route.ts';
import { copyEntry, moveEntry, renameEntry } from './operations.ts';
import { moveInput, renameFileInput } from './schemas.ts';

/** What `entry.move` reports. */
const placedResult = z.object({ path: z.string() });

function placed(job: JobView): Reply<z.infer<typeof placedResult>> {
  return { status: 200, body: placedResult.parse(job.result) };
}

const move = defineRoute({
  method: 'POST',
  path: '/folders/:name/move',
  access: 'user',
  right: 'write',
  body: 'json',
  input: moveInput,
  finished: placed,
  handle: async (request) => {
    const { services, principal, params, input } = request;
    const entry = { userId: principal.userId, nameOrId: params.name ?? '', from: input.src, to: input.dst };
    return replyAfterJob(request, await moveEntry(services, entry), placed);
  },
  client: withMessage,
});

/** What `entries.copy` reports. */
const copiedResult = placedResult.extend({
  bytes: z.number(),
  files: z.number(),
  skipped: z.array(z.object({ path: z.string(), reason: z.string() })),
  skipped_count: z.number(),
});

function copied(job: JobView): Reply {
  return { status: 201, body: copiedResult.parse(job.result) };
}

const copy = defineRoute({
  method: 'POST',
  path: '/folders/:name/copy',
  access: 'user',
  right: 'write',
  body: 'json',
  input: moveInput,
  finished: copied,
  handle: async (request) => {
    const { services, principal, params, input } = request;
    const entry = { userId: principal.userId, nameOrId: params.name ?? '', from: input.src, to: input.dst };
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
  finished: placed,
  handle: async (request) => {
    const { services, principal, params, input } = request;
    const { target_path: path, new_name: newName } = input;
    const entry = { userId: principal.userId, nameOrId: params.name ?? '', path, newName };
    return replyAfterJob(request, await renameEntry(services, entry), placed);
  },
  client: withMessage,
});

/** Moving and copying entries inside a folder. */
export const entryRoutes: readonly Route[] = [move, renameFile, copy];
