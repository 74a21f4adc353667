import { type FolderOptions, usualOptions } from '../../domain/folder-options.ts';
import { toHexId } from '../../domain/ids.ts';
import { cloneFolder } from '../folders/clone.ts';
import { replyAfterJob } from '../http/job-reply.ts';
import type { ApiRequest, Reply } from '../route.ts';
import { toClientPermission } from './permission.ts';

/** Clients give a request some five seconds; a clone that takes longer is followed by its events. */
const cloneWaitMs = 3_000;

interface CloneInput {
  readonly target_name: string;
  readonly target_host?: string | null | undefined;
  readonly usage_mode?: FolderOptions['usageMode'] | undefined;
  readonly cloneable?: boolean | undefined;
  readonly permission?: FolderOptions['permission'] | undefined;
}

/** `POST /folders/:name/clone`: 201 with the new folder and, while it is being filled, the id of the job that does. */
export const startedClone = {
  aliases: { folder_host: 'target_host' },
  answer: async (request: ApiRequest<CloneInput>): Promise<Reply> => {
    const { services, principal, params, input } = request;
    const { usage_mode: usageMode, cloneable, permission } = input;
    const { folder, jobId } = await cloneFolder(services, {
      userId: principal.userId,
      nameOrId: params.name ?? '',
      targetName: input.target_name,
      host: input.target_host ?? undefined,
      options: { usageMode, cloneable, permission },
    });
    const body = {
      id: toHexId(folder.id),
      name: folder.name,
      host: folder.volume,
      usage_mode: usageMode ?? usualOptions.usageMode,
      permission: toClientPermission(permission ?? usualOptions.permission),
      creator: principal.email,
      ownership_type: 'user',
      user: principal.userId,
      group: null,
      cloneable: cloneable ?? usualOptions.cloneable,
    };
    const preference = { respondAsync: true, waitMs: cloneWaitMs };
    const outcome = await replyAfterJob({ ...request, preference }, jobId, () => ({ status: 201 }));
    // There is nothing to follow once the clone is whole; the command line stumbles over its own progress bar then.
    const isWhole = outcome.status === 201;
    return { status: 201, body: { ...body, bgtask_id: isWhole ? null : jobId } };
  },
};
