import { z } from 'zod';
import type { JobView } from '../../jobs/job-client.ts';
import { replyAfterJob } from '../http/job-reply.ts';
import { withMessage } from '../profiles/folders.ts';
import { defineRoute, type Reply, type Route } from '../route.ts';
import { moveEntry, renameEntry } from './operations.ts';
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
  handle: async (request) => {
    const { services, principal, params, input } = request;
    const entry = { userId: principal.userId, nameOrId: params.name ?? '', from: input.src, to: input.dst };
    return replyAfterJob(request, await moveEntry(services, entry), placed);
  },
  client: withMessage,
});

const renameFile = defineRoute({
  method: 'POST',
  path: '/folders/:name/rename-file',
  access: 'user',
  right: 'write',
  body: 'json',
  input: renameFileInput,
  handle: async (request) => {
    const { services, principal, params, input } = request;
    const { target_path: path, new_name: newName } = input;
    const entry = { userId: principal.userId, nameOrId: params.name ?? '', path, newName };
    return replyAfterJob(request, await renameEntry(services, entry), placed);
  },
  client: withMessage,
});

/** Moving entries inside a folder. */
export const entryRoutes: readonly Route[] = [move, renameFile];
