import type { presentCreatedFolder, presentFolderDetails, presentFolderPage } from '../folders/schemas.ts';
import { withClientPermission } from './permission.ts';
import { reshape } from './reshape.ts';

/** `GET /folders`: every folder, as a bare list. */
export const bareFolderList = reshape((page: ReturnType<typeof presentFolderPage>) => ({
  body: page.items.map(withClientPermission),
}));

/** `GET /folders/:name`: the folder itself. */
export const bareFolder = reshape(({ item }: { readonly item: ReturnType<typeof presentFolderDetails> }) => ({
  body: withClientPermission(item),
}));

/** `POST /folders`: with every key that any generation of clients prints. */
export const createdFolder = reshape((created: ReturnType<typeof presentCreatedFolder>, { principal }) => ({
  body: {
    ...created,
    quota_scope_id: `user:${principal.userId}`,
    usage_mode: 'general',
    permission: 'rw',
    max_size: 0,
    creator: principal.email,
    ownership_type: 'user',
    user: principal.userId,
    group: null,
    cloneable: false,
    status: 'ready',
    is_owner: true,
    created_at: '',
  },
}));
