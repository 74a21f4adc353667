import { listShares, type Share } from '../../db/queries/shares.ts';
import { isDomainError } from '../../domain/errors.ts';
import type { Permission } from '../../domain/permission.ts';
import { loadFolder } from '../authorize.ts';
import { changeMember, listMembers, removeMember } from '../folders/members/operations.ts';
import { invite } from '../invitations/operations.ts';
import type { Services } from '../services.ts';

type ShareServices = Pick<Services, 'db'>;

/** A folder of the caller's and people of it, by e-mail address. */
export interface PeopleRequest {
  readonly userId: string;
  readonly nameOrId: string;
  readonly emails: readonly string[];
}

/** Memberships of others in the caller's folders, or in the one named. @throws not_found when it is not the caller's */
export async function readShares(
  services: ShareServices,
  request: { readonly userId: string; readonly nameOrId: string | undefined },
): Promise<Share[]> {
  const { userId: ownerId, nameOrId } = request;
  if (nameOrId === undefined) return listShares(services.db, { ownerId, folderId: undefined });
  const folder = await loadFolder(services, { userId: ownerId, nameOrId, right: 'own' });
  return listShares(services.db, { ownerId, folderId: folder.id });
}

/**
 * Gives members among `emails` the permission, and invites the others: nobody becomes a member unasked.
 * @returns who has the permission now, and who was newly invited @throws not_found, invitee_missing
 */
export async function shareFolder(
  services: ShareServices,
  request: PeopleRequest & { readonly permission: Permission },
): Promise<{ readonly shared: string[]; readonly invited: string[] }> {
  const members = await listMembers(services, request);
  const known = new Set(members.filter(({ isOwner }) => !isOwner).map(({ email }) => email.toLowerCase()));
  const shared = request.emails.filter((email) => known.has(email.toLowerCase()));
  for (const member of shared) await changeMember(services, { ...request, member });
  const others = request.emails.filter((email) => !known.has(email.toLowerCase()));
  if (others.length === 0 && shared.length > 0) return { shared, invited: [] };
  return { shared, invited: await invite(services, { ...request, invitees: others }) };
}

/** Ends the memberships of `emails`; those who are no members are left out. @returns whose ended @throws not_found */
export async function unshareFolder(services: ShareServices, request: PeopleRequest): Promise<string[]> {
  await loadFolder(services, { ...request, right: 'own' });
  const ended: string[] = [];
  for (const member of request.emails) {
    try {
      await removeMember(services, { ...request, member });
      ended.push(member);
    } catch (error) {
      if (!isDomainError(error, 'not_found')) throw error;
    }
  }
  return ended;
}
