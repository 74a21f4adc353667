import type { FolderOptions } from '../../domain/folder-options.ts';
import type {
  presentCreatedFolder,
  presentFolderDetails,
  presentFolderPage,
  presentOptions,
} from '../folders/schemas.ts';
import type { ApiRequest, Reply } from '../route.ts';
import { toClientPermission, withClientPermission } from './permission.ts';
import { reshape } from './reshape.ts';

/** Published servers keep quotas by owner; here the scope is a name and nothing more. */
function withScope<T extends { readonly user: string }>(folder: T): T & { readonly quota_scope_id: string } {
  return { ...folder, quota_scope_id: `user:${folder.user}` };
}

/** `GET /folders`: every folder, as a bare list. */
export const bareFolderList = reshape((page: ReturnType<typeof presentFolderPage>) => ({
  body: page.items.map((item) => withScope(withClientPermission(item))),
}));

/** `GET /folders/:name`: the folder itself. */
export const bareFolder = reshape(({ item }: { readonly item: ReturnType<typeof presentFolderDetails> }) => ({
  body: { ...withScope(withClientPermission(item)), last_used: null, max_size: item.quota_bytes },
}));

/** The command line of 18.12 writes the host as a list of at most one. */
function readHost(given: unknown): unknown {
  if (!Array.isArray(given) || given.length > 1) return given;
  const [host]: unknown[] = given;
  return host ?? null;
}

interface CreateInput extends Pick<FolderOptions, 'cloneable' | 'permission'> {
  readonly usage_mode: FolderOptions['usageMode'];
}

/** `POST /folders`: every key that any generation of clients prints. */
export const createdFolder = {
  readings: { host: readHost },
  answer: async <Input extends CreateInput>(
    request: ApiRequest<Input>,
    documented: (request: ApiRequest<Input>) => Promise<Reply<ReturnType<typeof presentCreatedFolder>>>,
  ): Promise<Reply> => {
    const reply = await documented(request);
    if (reply === 'sent' || reply.body === undefined) return reply;
    const { principal, input } = request;
    const body = {
      ...reply.body,
      quota_scope_id: `user:${principal.userId}`,
      usage_mode: input.usage_mode,
      permission: toClientPermission(input.permission),
      max_size: 0,
      creator: principal.email,
      ownership_type: 'user',
      user: principal.userId,
      group: null,
      cloneable: input.cloneable,
      status: 'ready',
      is_owner: true,
      unmanaged_path: null,
      created_at: '',
    };
    return { ...reply, body };
  },
};

/** `POST /folders/:name/update-options`. */
export const changedOptions = reshape((options: ReturnType<typeof presentOptions>) => ({
  body: { ...options, permission: toClientPermission(options.permission), msg: '' },
}));

/** What is done is said in `msg`, where clients look for it; there is nothing to add. */
export const withMessage = reshape((body: unknown) => ({
  body: typeof body === 'object' ? { msg: '', ...body } : body,
}));
