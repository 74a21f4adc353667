import { insertAudit } from '../../db/queries/audit.ts';
import {
  listTrashedFolders,
  markTrashDeleted,
  reviveFolder,
  type TrashedFolder,
} from '../../db/queries/folder-trash.ts';
import { lockFolderAllowance } from '../../db/queries/folders.ts';
import { insertMember } from '../../db/queries/members.ts';
import { type DomainError, domainError } from '../../domain/errors.ts';
import { parseFolderName } from '../../domain/folder-name.ts';
import { parseId } from '../../domain/ids.ts';
import { measureRequest } from '../../jobs/measure-request.ts';
import { requireWritable } from '../authorize.ts';
import { decideFolder, folderNameTaken } from '../folders/operations.ts';
import type { Services } from '../services.ts';

type TrashServices = Pick<Services, 'db' | 'jobs'>;

/** A folder in the caller's trash; `id` is as the caller wrote it. */
export interface TrashRequest {
  readonly userId: string;
  readonly id: string;
}

function notInTrash(): DomainError {
  return domainError('not_found', 'There is no such folder in your trash.');
}

function toReference({ userId, id }: TrashRequest) {
  const folderId = parseId(id);
  if (folderId === undefined) throw notInTrash();
  return { folderId, ownerId: userId };
}

/** The folders that a user deleted and can have back, the first to go first. */
export async function listTrash(services: Pick<Services, 'db'>, userId: string): Promise<TrashedFolder[]> {
  return listTrashedFolders(services.db, userId);
}

/**
 * Gives a folder back to its owner, under `name` or the name it had, if they may own one more; nobody else is a member.
 * @returns id (dashed) and name @throws not_found, name_invalid, folder_name_taken, folder_limit_reached
 */
export async function restoreFolder(
  services: TrashServices,
  request: TrashRequest & { readonly name?: string | undefined },
): Promise<{ readonly id: string; readonly name: string }> {
  const reference = toReference(request);
  const { folderId, ownerId: userId } = reference;
  const wanted = request.name === undefined ? undefined : parseFolderName(request.name);
  return services.db.transaction(async (tx) => {
    const allowance = await lockFolderAllowance(tx, userId);
    const revived = await reviveFolder(tx, reference);
    if (revived === null) throw notInTrash();
    const name = wanted ?? revived.name;
    decideFolder({ name }, { allowance, isNameTaken: false });
    const member = { folderId, userId, name, permission: 'rd', isOwner: true } as const;
    if (!(await insertMember(tx, member))) throw folderNameTaken(name);
    // Jobs of the folder may have ended without accounting while it was nobody's.
    await services.jobs.enqueue(tx, measureRequest(folderId, revived.volume, null));
    await insertAudit(tx, { actorId: userId, action: 'folder.restore', folderId, details: { name } });
    return { id: folderId, name };
  });
}

/** Deletes a folder in the trash for ever. @returns the id of the job that frees its content @throws not_found, volume_read_only */
export async function purgeFromTrash(services: TrashServices, request: TrashRequest): Promise<string> {
  const reference = toReference(request);
  const { folderId, ownerId: actorId } = reference;
  const jobId = await services.db.transaction(async (tx) => {
    const deleted = await markTrashDeleted(tx, reference);
    if (deleted === null) throw notInTrash();
    const { volume } = deleted;
    requireWritable(services, volume);
    await insertAudit(tx, { actorId, action: 'folder.purge', folderId });
    return services.jobs.enqueue(tx, { kind: 'folder.purge', payload: {}, volume, folderId, actorId });
  });
  services.jobs.dispatch([jobId]);
  return jobId;
}
