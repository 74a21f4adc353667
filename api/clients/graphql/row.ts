import type { FolderAccess } from '../../authorize.ts';
import { presentFolderDetails } from '../../folders/schemas.ts';
import { toClientPermission } from '../../profiles/permission.ts';

/** A folder as the published schema has it; the names are those of its fields. */
export type FolderRow = ReturnType<typeof toRow>;

/** Shapes a folder for GraphQL. Ids are dashed there; sizes are bytes. */
export function toRow(folder: FolderAccess) {
  const shown = presentFolderDetails(folder);
  return {
    ...shown,
    id: folder.id,
    quota_scope_id: `user:${folder.ownerId}`,
    user_email: folder.ownerEmail,
    group_name: null,
    domain_name: null,
    unmanaged_path: null,
    permission: toClientPermission(folder.permission),
    max_files: folder.quotaFiles,
    max_size: folder.quotaBytes,
    last_used: null,
    num_files: folder.usedFiles,
    cur_size: folder.usedBytes,
  };
}
