import { uuidv7 } from 'uuidv7';
import { insertAudit } from '../../db/queries/audit.ts';
import {
  type FolderAllowance,
  findFolderAllowance,
  insertFolder,
  lockFolderAllowance,
} from '../../db/queries/folders.ts';
import { insertMember, isFolderNameTaken } from '../../db/queries/members.ts';
import { DomainError, domainError } from '../../domain/errors.ts';
import { parseFolderName } from '../../domain/folder-name.ts';
import type { FolderOptions } from '../../domain/folder-options.ts';
import { type FolderAccess, folderNotFound, loadFolder } from '../authorize.ts';
import { placeFolder } from '../volumes/place-folder.ts';
import { requireReach } from '../volumes/require-reach.ts';
import { type CreatedFolder, decideFolder, type FolderServices, folderNameTaken } from './operations.ts';

/** A folder to be made from another one's content. Options left out are the source's, `host` as well while that is active. */
export interface CloneRequest {
  readonly userId: string;
  readonly nameOrId: string;
  readonly targetName: string;
  readonly host?: string | undefined;
  readonly options: { readonly [K in keyof FolderOptions]?: FolderOptions[K] | undefined };
}

/** The folder that `jobId` fills; nobody sees it before. */
export interface StartedClone {
  readonly folder: CreatedFolder;
  readonly jobId: string;
}

/** What could never fit is refused at once; what turns out not to fit later, by the job. */
function requireRoom(source: FolderAccess, allowance: FolderAllowance): void {
  const { folderBytesMax, folderFilesMax } = allowance;
  const isFiles = source.usedBytes <= folderBytesMax;
  if (isFiles && source.usedFiles <= folderFilesMax) return;
  const figures = isFiles
    ? { resource: 'files', limit: folderFilesMax, requested: source.usedFiles }
    : { resource: 'bytes', limit: folderBytesMax, requested: source.usedBytes };
  throw domainError(
    'quota_exceeded',
    `The clone would not fit into a folder of yours (${figures.resource}).`,
    {
      extra: { ...figures, used: 0, reserved: 0 },
    },
  );
}

function optionsOf(source: FolderAccess, given: CloneRequest['options']): FolderOptions {
  return {
    usageMode: given.usageMode ?? source.usageMode,
    cloneable: given.cloneable ?? source.cloneable,
    permission: given.permission ?? source.defaultPermission,
  };
}

interface Clone {
  readonly userId: string;
  readonly source: FolderAccess;
  readonly folder: CreatedFolder;
  readonly options: FolderOptions;
}

async function recordClone(
  services: FolderServices,
  { userId, source, folder, options }: Clone,
): Promise<string> {
  const { id, name, volume } = folder;
  return services.db.transaction(async (tx) => {
    const allowance = decideFolder(folder, {
      allowance: await lockFolderAllowance(tx, userId),
      isNameTaken: false,
    });
    const quota = { quotaBytes: allowance.folderBytesMax, quotaFiles: allowance.folderFilesMax };
    await insertFolder(tx, { id, ownerId: userId, volume, state: 'cloning', ...options, ...quota });
    const member = { folderId: id, userId, name, permission: 'rd', isOwner: true } as const;
    if (!(await insertMember(tx, member))) throw folderNameTaken(name);
    const details = { name, host: volume, source: source.id };
    await insertAudit(tx, { actorId: userId, action: 'folder.clone', folderId: id, details });
    const payload = { sourceId: source.id };
    return services.jobs.enqueue(tx, {
      kind: 'folder.clone',
      payload,
      volume,
      folderId: id,
      actorId: userId,
    });
  });
}

/**
 * Starts to make a folder of the caller's from the content of one they may read, their own or one that is cloneable.
 * Name and place in the limit are the new folder's from the start; it is seen once it is whole, and gone without a
 * trace when that fails.
 * @throws not_found (also when the folder is not cloneable), name_invalid, folder_name_taken, folder_limit_reached,
 *   quota_exceeded, request_malformed (unknown host), volume_not_allowed, volume_read_only, volume_draining, volume_full,
 *   volume_unavailable
 */
export async function cloneFolder(services: FolderServices, request: CloneRequest): Promise<StartedClone> {
  const { userId, nameOrId } = request;
  const source = await loadFolder(services, { userId, nameOrId, right: 'read' });
  if (!source.isOwner && !source.cloneable) throw folderNotFound();
  const owner = { userId, name: parseFolderName(request.targetName) };
  const allowance = decideFolder(owner, {
    isNameTaken: await isFolderNameTaken(services.db, owner),
    allowance: await findFolderAllowance(services.db, userId),
  });
  const place = { host: request.host, usual: source.volume, allowed: allowance.volumes };
  const volume = await placeFolder(services, place);
  requireRoom(source, allowance);
  await requireReach(services, { volume: volume.name, sourceVolume: source.volume });
  const folder = { id: uuidv7(), name: owner.name, volume: volume.name };
  await volume.createFolder(folder.id);
  try {
    const options = optionsOf(source, request.options);
    const jobId = await recordClone(services, { userId, source, folder, options });
    services.jobs.dispatch([jobId]);
    return { folder, jobId };
  } catch (error) {
    // As for a new folder: only a refusal proves that nothing was committed.
    if (error instanceof DomainError) await volume.purgeFolder(folder.id).catch(() => undefined);
    throw error;
  }
}
