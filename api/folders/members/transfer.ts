import type { Executor } from '../../../db/client.ts';
import { insertAudit } from '../../../db/queries/audit.ts';
import { lockFolderAllowance, updateFolderOwner } from '../../../db/queries/folders.ts';
import { cancelInvitationsTo } from '../../../db/queries/invitations.ts';
import { insertMember, updateMemberOwnership } from '../../../db/queries/members.ts';
import { findUserByReference } from '../../../db/queries/users.ts';
import { domainError } from '../../../domain/errors.ts';
import { folderAliases } from '../../../domain/folder-name.ts';
import { type FolderAccess, folderNotFound, loadFolder } from '../../authorize.ts';
import type { Services } from '../../services.ts';
import { folderNameTaken } from '../operations.ts';

/** A folder to be given away by its owner. `to` is a user id (hex or dashed) or an e-mail address in any case. */
export interface TransferRequest {
  readonly userId: string;
  readonly nameOrId: string;
  readonly to: string;
  /** Whether the new owner need not be a member already: for who answers for all users. */
  readonly isForced: boolean;
}

function refuseUser(detail: string) {
  return domainError('request_malformed', detail, { errors: [{ pointer: '/user', detail }] });
}

/** Makes the new owner's membership the owner's; a member keeps their own name for the folder. */
async function handOver(tx: Executor, folder: FolderAccess, to: string, isForced: boolean): Promise<void> {
  const change = { folderId: folder.id, userId: to, isOwner: true };
  if (await updateMemberOwnership(tx, change)) return;
  // Without this, anybody could fill up anybody's limit on folders.
  if (!isForced) throw refuseUser('Only a member can become the owner: invite them first.');
  for (const name of folderAliases(folder.name)) {
    if (await insertMember(tx, { ...change, name, permission: 'rd' })) return;
  }
  throw folderNameTaken(folder.name);
}

/**
 * Gives a folder to another user, who has to have room for it in their limit on folders; content, quota and members
 * stay, and so do pending invitations. The former owner stays as a member with `rd`. Only for the owner.
 * @throws not_found, request_malformed (no such member), folder_limit_reached, folder_name_taken
 */
export async function transferFolder(
  services: Pick<Services, 'db'>,
  request: TransferRequest,
): Promise<void> {
  const { userId, nameOrId, isForced } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'own' });
  const user = await findUserByReference(services.db, request.to);
  if (user === null || !user.isActive) {
    throw refuseUser(
      isForced ? 'There is no such user.' : 'Only a member can become the owner: invite them first.',
    );
  }
  if (user.id === userId) return;
  await services.db.transaction(async (tx) => {
    const allowance = await lockFolderAllowance(tx, user.id);
    if (!(await updateFolderOwner(tx, { folderId: folder.id, from: userId, to: user.id })))
      throw folderNotFound();
    await updateMemberOwnership(tx, { folderId: folder.id, userId, isOwner: false });
    await handOver(tx, folder, user.id, isForced);
    await cancelInvitationsTo(tx, { folderId: folder.id, inviteeId: user.id });
    if (allowance === null || allowance.foldersOwned >= allowance.foldersMax) {
      throw domainError('folder_limit_reached', 'The new owner owns as many folders as they may.');
    }
    const entry = { actorId: userId, folderId: folder.id, subject: user.id };
    await insertAudit(tx, { ...entry, action: 'folder.transfer', details: { isForced } });
  });
}
