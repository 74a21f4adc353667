import { insertAudit } from '../../../db/queries/audit.ts';
import { deleteLinksOfMember } from '../../../db/queries/links.ts';
import {
  deleteMember,
  type FolderMember,
  listFolderMembers,
  updateMemberPermission,
} from '../../../db/queries/members.ts';
import { type DomainError, domainError } from '../../../domain/errors.ts';
import { parseId } from '../../../domain/ids.ts';
import type { Permission } from '../../../domain/permission.ts';
import { loadFolder } from '../../authorize.ts';
import type { Services } from '../../services.ts';

type MemberServices = Pick<Services, 'db'>;

/** A member of a folder, named by its owner. `member` is a user id (hex or dashed) or an e-mail address in any case. */
export interface MemberRequest {
  readonly userId: string;
  readonly nameOrId: string;
  readonly member: string;
}

function memberNotFound(): DomainError {
  return domainError('not_found', 'The folder has no such member.');
}

/** The members of a folder, the owner first. Only for the owner. @throws not_found */
export async function listMembers(
  services: MemberServices,
  { userId, nameOrId }: { readonly userId: string; readonly nameOrId: string },
): Promise<FolderMember[]> {
  const folder = await loadFolder(services, { userId, nameOrId, right: 'own' });
  return listFolderMembers(services.db, folder.id);
}

async function findMember(
  services: MemberServices,
  { userId, nameOrId, member }: MemberRequest,
): Promise<{ folderId: string; userId: string }> {
  const folder = await loadFolder(services, { userId, nameOrId, right: 'own' });
  const members = await listFolderMembers(services.db, folder.id);
  const id = parseId(member);
  const email = member.toLowerCase();
  const found = members.find((one) =>
    id === undefined ? one.email.toLowerCase() === email : one.userId === id,
  );
  if (found === undefined || found.isOwner) throw memberNotFound();
  return { folderId: folder.id, userId: found.userId };
}

/** Ends a membership at once, and revokes the links made by it: the next request of that user finds no folder. Only for the owner. @throws not_found */
export async function removeMember(services: MemberServices, request: MemberRequest): Promise<void> {
  const member = await findMember(services, request);
  const entry = { actorId: request.userId, folderId: member.folderId, subject: member.userId };
  await services.db.transaction(async (tx) => {
    if (!(await deleteMember(tx, member))) throw memberNotFound();
    const links = await deleteLinksOfMember(tx, member);
    await insertAudit(tx, { ...entry, action: 'member.remove', details: { links } });
  });
}

/** Changes what a member may do, from their next request on. Only for the owner. @throws not_found */
export async function changeMember(
  services: MemberServices,
  request: MemberRequest & { readonly permission: Permission },
): Promise<void> {
  const member = await findMember(services, request);
  const { permission } = request;
  const entry = { actorId: request.userId, folderId: member.folderId, subject: member.userId };
  await services.db.transaction(async (tx) => {
    if (!(await updateMemberPermission(tx, { ...member, permission }))) throw memberNotFound();
    await insertAudit(tx, { ...entry, action: 'member.change', details: { permission } });
  });
}

/** Gives up the caller's membership, and with it the links that they made. The owner cannot leave. @throws not_found, request_malformed (the owner) */
export async function leaveFolder(
  services: MemberServices,
  { userId, nameOrId }: { readonly userId: string; readonly nameOrId: string },
): Promise<void> {
  const folder = await loadFolder(services, { userId, nameOrId, right: 'read' });
  if (folder.isOwner)
    throw domainError('request_malformed', 'The owner cannot leave a folder, only delete it.');
  await services.db.transaction(async (tx) => {
    const member = { folderId: folder.id, userId };
    if (!(await deleteMember(tx, member))) return;
    const links = await deleteLinksOfMember(tx, member);
    const entry = { actorId: userId, folderId: folder.id, details: { links } };
    await insertAudit(tx, { ...entry, action: 'member.leave' });
  });
}
