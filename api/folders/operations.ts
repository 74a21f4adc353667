import assert from 'node:assert/strict';
import { uuidv7 } from 'uuidv7';
import type { Executor } from '../../db/client.ts';
import { insertAudit } from '../../db/queries/audit.ts';
import { markFolderTrashed } from '../../db/queries/folder-trash.ts';
import {
  type FolderAllowance,
  findFolderAllowance,
  insertFolder,
  lockFolderAllowance,
  markFolderDeleted,
  updateFolderOptions,
} from '../../db/queries/folders.ts';
import { cancelFolderInvitations } from '../../db/queries/invitations.ts';
import {
  deleteFolderMembers,
  insertMember,
  isFolderNameTaken,
  pageMemberFolders,
  renameMember,
} from '../../db/queries/members.ts';
import { DomainError, domainError } from '../../domain/errors.ts';
import { parseFolderName } from '../../domain/folder-name.ts';
import { type FolderOptions, usualOptions } from '../../domain/folder-options.ts';
import type { Permission } from '../../domain/permission.ts';
import { type FolderAccess, folderNotFound, loadFolder, requireWritable } from '../authorize.ts';
import { requireUnmounted } from '../mounts/guard.ts';
import type { Services } from '../services.ts';
import { placeFolder } from '../volumes/place-folder.ts';

/** Which page of folders; without `sizeItems` all of them are one page. `index` counts from zero. */
export interface FolderPaging {
  readonly sizeItems: number | undefined;
  readonly index: number;
}

/** Folders of one page, and how many pages and folders there are in all. */
export interface FolderPage {
  readonly pages: number;
  readonly count: number;
  readonly folders: readonly FolderAccess[];
}

/** A folder that was just made. `id` is a dashed uuid, `volume` where it lies. */
export interface CreatedFolder {
  readonly id: string;
  readonly name: string;
  readonly volume: string;
}

/** What making folders takes. */
export type FolderServices = Pick<Services, 'db' | 'volumes' | 'jobs'>;

/** The folders a user owns or was given, by name. A page past the end is empty. */
export async function listFolders(
  services: Pick<Services, 'db'>,
  { userId, paging }: { readonly userId: string; readonly paging: FolderPaging },
): Promise<FolderPage> {
  const { sizeItems, index } = paging;
  if (sizeItems === undefined) {
    const { count, folders } = await pageMemberFolders(services.db, { userId, limit: null, offset: 0 });
    const pages = Math.min(count, 1);
    return { pages, count, folders: index < pages ? folders : [] };
  }
  const range = { userId, limit: sizeItems, offset: index * sizeItems };
  const { count, folders } = await pageMemberFolders(services.db, range);
  return { pages: Math.ceil(count / sizeItems), count, folders };
}

/**
 * Makes a folder on `host`, or on the active volume with the most room. Its directories exist before it can be seen. The name and the
 * limit of the owner's policy are decided under a lock, so neither is ever exceeded, whatever runs concurrently.
 * @throws name_invalid, folder_name_taken, folder_limit_reached, request_malformed (unknown host),
 *   volume_not_allowed, volume_read_only, volume_draining, volume_full, volume_unavailable
 */
export async function createFolder(
  services: FolderServices,
  request: {
    readonly userId: string;
    readonly name: string;
    readonly host?: string | undefined;
    readonly options?: FolderOptions;
  },
): Promise<CreatedFolder> {
  const owner = { userId: request.userId, name: parseFolderName(request.name) };
  const { volumes: allowed } = decideFolder(owner, {
    isNameTaken: await isFolderNameTaken(services.db, owner),
    allowance: await findFolderAllowance(services.db, owner.userId),
  });
  const volume = await placeFolder(services, { host: request.host, allowed });
  const folder = { id: uuidv7(), name: owner.name, volume: volume.name };
  await volume.createFolder(folder.id);
  try {
    await recordFolder(services, owner.userId, { ...folder, options: request.options ?? usualOptions });
  } catch (error) {
    // Only a refusal proves that nothing was committed; after a lost connection the row may exist. What stays
    // behind without a row is removed by the sweeper, so a failure to clean up changes nothing for the caller.
    if (error instanceof DomainError) await volume.purgeFolder(folder.id).catch(() => undefined);
    throw error;
  }
  return folder;
}

/** Decides on a new folder by what was found. @throws folder_name_taken, folder_limit_reached */
export function decideFolder(
  owner: { readonly name: string },
  found: { readonly isNameTaken: boolean; readonly allowance: FolderAllowance | null },
): FolderAllowance {
  const { allowance } = found;
  assert(allowance !== null, 'a principal is a user, and users are never removed');
  if (found.isNameTaken) throw folderNameTaken(owner.name);
  if (allowance.foldersOwned < allowance.foldersMax) return allowance;
  throw domainError('folder_limit_reached', `You may own at most ${allowance.foldersMax} folders.`, {
    extra: { limit: allowance.foldersMax, used: allowance.foldersOwned },
  });
}

async function recordFolder(
  services: FolderServices,
  userId: string,
  folder: CreatedFolder & { readonly options: FolderOptions },
): Promise<void> {
  await services.db.transaction(async (tx) => {
    const allowance = decideFolder(folder, {
      allowance: await lockFolderAllowance(tx, userId),
      isNameTaken: false,
    });
    const quota = { quotaBytes: allowance.folderBytesMax, quotaFiles: allowance.folderFilesMax };
    await insertFolder(tx, {
      id: folder.id,
      ownerId: userId,
      volume: folder.volume,
      ...folder.options,
      ...quota,
    });
    const member = {
      folderId: folder.id,
      userId,
      name: folder.name,
      permission: 'rd',
      isOwner: true,
    } as const;
    if (!(await insertMember(tx, member))) throw folderNameTaken(folder.name);
    const details = { name: folder.name, host: folder.volume };
    await insertAudit(tx, { actorId: userId, action: 'folder.create', folderId: folder.id, details });
  });
}

/** The refusal for a name under which the user already sees a folder. */
export function folderNameTaken(name: string): DomainError {
  return domainError('folder_name_taken', `You already have a folder named ${JSON.stringify(name)}.`);
}

/**
 * Changes what an owner may choose for a folder; what is left out stays. Only for the owner.
 * @returns all options as they are then @throws not_found
 */
export async function changeOptions(
  services: Pick<Services, 'db'>,
  request: {
    readonly userId: string;
    readonly nameOrId: string;
    readonly cloneable?: boolean | undefined;
    readonly permission?: Permission | undefined;
  },
): Promise<FolderOptions> {
  const { userId, nameOrId, cloneable, permission } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'own' });
  const change = { folderId: folder.id, ownerId: userId, cloneable, permission };
  const options = await updateFolderOptions(services.db, change);
  if (options === null) throw folderNotFound();
  return options;
}

/**
 * Gives a folder another name for the caller alone: everybody sees it under a name of their own, which the owner and
 * each member change for themselves. The name it has already is fine. Needs `read`.
 * @returns the folder's id, a dashed uuid @throws not_found, name_invalid, folder_name_taken
 */
export async function renameFolder(
  services: Pick<Services, 'db'>,
  request: { readonly userId: string; readonly nameOrId: string; readonly newName: string },
): Promise<string> {
  const { userId, nameOrId } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'read' });
  const name = parseFolderName(request.newName);
  const outcome = await renameMember(services.db, { folderId: folder.id, userId, name });
  if (outcome === 'taken') throw folderNameTaken(name);
  if (outcome === 'gone') throw folderNotFound();
  return folder.id;
}

interface Removal {
  readonly folderId: string;
  readonly userId: string;
  readonly retentionDays: number;
  /** Also while sessions have it mounted. */
  readonly isForced: boolean;
}

/** @returns the job that frees the content, or `null` when the folder is kept in the trash */
async function removeFolder(
  services: Pick<Services, 'jobs'>,
  tx: Executor,
  removal: Removal,
): Promise<string | null> {
  const { folderId, userId, retentionDays } = removal;
  if (!removal.isForced) await requireUnmounted(tx, folderId);
  const isKept = retentionDays > 0;
  const deleted = isKept ? null : await markFolderDeleted(tx, { folderId, userId });
  const isRemoved = isKept ? await markFolderTrashed(tx, removal) : deleted !== null;
  if (!isRemoved) throw folderNotFound();
  await deleteFolderMembers(tx, folderId);
  await cancelFolderInvitations(tx, folderId);
  if (deleted === null) return null;
  const { volume } = deleted;
  return services.jobs.enqueue(tx, { kind: 'folder.purge', payload: {}, volume, folderId, actorId: userId });
}

/**
 * Takes a folder away from everybody at once, whatever its size: its names are free again, memberships and invitations
 * end. With `retentionDays` its owner can have it back for as long, else a job frees its content. Of concurrent calls
 * exactly one succeeds. While sessions have it mounted it stays, unless `isForced`: then what they have is nobody's. Only for the owner.
 * @returns the id of the job that frees the content, `null` when it is kept
 * @throws not_found, also for members; folder_mounted, volume_read_only
 */
export async function deleteFolder(
  services: Pick<Services, 'db' | 'jobs'>,
  request: Omit<Removal, 'folderId'> & { readonly nameOrId: string },
): Promise<string | null> {
  const { userId, nameOrId, retentionDays, isForced } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'own' });
  requireWritable(services, folder.volume);
  const removal = { folderId: folder.id, userId, retentionDays, isForced };
  const jobId = await services.db.transaction(async (tx) => {
    const purge = await removeFolder(services, tx, removal);
    const details = { name: folder.name, isKept: purge === null };
    await insertAudit(tx, { actorId: userId, action: 'folder.delete', folderId: folder.id, details });
    return purge;
  });
  if (jobId !== null) services.jobs.dispatch([jobId]);
  return jobId;
}
