import { z } from 'zod';
import { type FolderOptions, usageModes, usualOptions } from '../../domain/folder-options.ts';
import { toHexId } from '../../domain/ids.ts';
import type { FolderAccess } from '../authorize.ts';
import { folderName, pagingShape, queryBoolean } from '../http/schema.ts';
import { copyCounts, count, hexId, instant, permission, uuid } from '../http/wire.ts';
import { permissionInput } from './members/schemas.ts';
import type { CreatedFolder, FolderPage } from './operations.ts';

/** Input of `GET /folders`. */
export const listFoldersInput = z.object(pagingShape);

/** Input of `POST /folders`. The rules for names are the domain's. */
export const createFolderInput = z.object({
  name: folderName,
  host: z.string().nullish(),
  usage_mode: z.enum(usageModes).default(usualOptions.usageMode),
  permission: permissionInput.default(usualOptions.permission),
  cloneable: queryBoolean.default(usualOptions.cloneable),
  group: z.null('Folders belong to users, not to groups.').optional(),
  unmanaged_path: z.null('Folders lie where the service puts them.').optional(),
});

/** Input of `POST /folders/:name/clone`. What is left out is the source's. */
export const cloneFolderInput = z.object({
  target_name: folderName,
  target_host: z.string().nullish(),
  usage_mode: z.enum(usageModes).optional(),
  permission: permissionInput.optional(),
  cloneable: queryBoolean.optional(),
});

/** Input of `POST /folders/:name/update-options`. */
export const folderOptionsInput = z.object({
  cloneable: queryBoolean.optional(),
  permission: permissionInput.optional(),
});

/** Input of `POST /folders/:name/rename`. */
export const renameFolderInput = z.object({ new_name: folderName });

/** Input of routes that delete a folder: with `force` also while sessions have it mounted. */
export const deleteFolderInput = z.object({ force: queryBoolean.default(false) });

/** Input of routes that take none. */
export const noInput = z.object({});

const folderShape = z
  .object({
    name: z.string(),
    id: hexId,
    host: z.string(),
    is_owner: z.boolean(),
    permission,
    type: z.literal('user'),
    user: uuid,
    group: z.null(),
    usage_mode: z.enum(usageModes),
    cloneable: z.boolean(),
    default_permission: permission,
    status: z.literal('ready'),
    ownership_type: z.literal('user'),
    creator: z.string(),
    created_at: instant,
  })
  .meta({ id: 'Folder' });

const folderDetails = z
  .object({
    ...folderShape.shape,
    linked: z.literal(false),
    created: instant,
    numFiles: count,
    used_bytes: count,
    reserved_bytes: count,
    reserved_files: count,
    trash_bytes: count,
    trash_files: count,
    quota_bytes: count,
    quota_files: count,
    usage_as_of: instant,
  })
  .meta({ id: 'FolderDetails' });

/** Reply of `GET /folders/:name`. */
export const folderBody = z.object({ item: folderDetails });

/** Reply of `GET /folders`. */
export const folderPageBody = z.object({
  paging: z.object({ pages: count, count }),
  items: z.array(folderShape),
});

/** Reply of `POST /folders`. */
export const createdFolderBody = z.object({ id: hexId, name: z.string(), host: z.string() });

/** Reply of `POST /folders/:name/clone`. */
export const clonedFolderBody = createdFolderBody.extend(copyCounts);

/** Reply of `POST /folders/:name/rename` and of what gives a folder back: its id and the caller's name for it. */
export const folderNameBody = z.object({ id: hexId, name: z.string() });

/** Reply of `POST /folders/:name/update-options`. */
export const folderOptionsBody = z.object({
  usage_mode: z.enum(usageModes),
  cloneable: z.boolean(),
  permission,
});

/**
 * A folder as callers see it, with every key that published clients read. Folders belong to users, so what those
 * clients know about groups and life cycles is constant. `permission` is the caller's own.
 */
export function presentFolder(folder: FolderAccess): z.infer<typeof folderShape> {
  return {
    name: folder.name,
    id: toHexId(folder.id),
    host: folder.volume,
    is_owner: folder.isOwner,
    permission: folder.permission,
    type: 'user',
    user: folder.ownerId,
    group: null,
    usage_mode: folder.usageMode,
    cloneable: folder.cloneable,
    default_permission: folder.defaultPermission,
    status: 'ready',
    ownership_type: 'user',
    creator: folder.ownerEmail,
    created_at: folder.createdAt.toISOString(),
  };
}

/** As {@link presentFolder}, with its numbers: bytes and regular files, as of `usage_as_of`. */
export function presentFolderDetails(folder: FolderAccess): z.infer<typeof folderDetails> {
  // To spread what fifteen names more follow on takes ten times as long.
  return Object.assign(presentFolder(folder), {
    linked: false as const,
    created: folder.createdAt.toISOString(),
    numFiles: folder.usedFiles,
    used_bytes: folder.usedBytes,
    reserved_bytes: folder.reservedBytes,
    reserved_files: folder.reservedFiles,
    trash_bytes: folder.trashBytes,
    trash_files: folder.trashFiles,
    quota_bytes: folder.quotaBytes,
    quota_files: folder.quotaFiles,
    usage_as_of: folder.usageAsOf.toISOString(),
  });
}

/** Reply of `GET /folders`. */
export function presentFolderPage({ pages, count, folders }: FolderPage) {
  return { paging: { pages, count }, items: folders.map(presentFolder) };
}

/** Reply of `POST /folders`. */
export function presentCreatedFolder({ id, name, volume }: CreatedFolder) {
  return { id: toHexId(id), name, host: volume };
}

/** What `folder.clone` reports. */
const clonedResult = z.object(copyCounts);

/** Reply of `POST /folders/:name/clone`. */
export function presentClone(folder: CreatedFolder, result: unknown) {
  return { ...presentCreatedFolder(folder), ...clonedResult.parse(result) };
}

/** Reply of `POST /folders/:name/update-options`. */
export function presentOptions({ usageMode, cloneable, permission }: FolderOptions) {
  return { usage_mode: usageMode, cloneable, permission };
}
