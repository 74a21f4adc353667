import { uuidv7 } from 'uuidv7';
import { insertAudit } from '../../db/queries/audit.ts';
import { lockLiveFolder } from '../../db/queries/folders.ts';
import {
  answerInvitation,
  cancelInvitation,
  findPendingInvitation,
  type Invitee,
  insertInvitations,
  isForeignAccessKey,
  listInvitees,
  listPendingInvitations,
  listSentInvitations,
  type PendingInvitation,
  updateInvitation,
} from '../../db/queries/invitations.ts';
import { insertMember } from '../../db/queries/members.ts';
import { type DomainError, domainError } from '../../domain/errors.ts';
import { parseFolderName } from '../../domain/folder-name.ts';
import { parseId } from '../../domain/ids.ts';
import type { Permission } from '../../domain/permission.ts';
import { folderNotFound, loadFolder } from '../authorize.ts';
import { folderNameTaken } from '../folders/operations.ts';
import type { Services } from '../services.ts';

type InvitationServices = Pick<Services, 'db'>;

/** An invitation and who answers it. `invitationId` is as the caller wrote it. */
export interface InvitationRequest {
  readonly userId: string;
  readonly invitationId: string;
}

/** What a user is offered and has not answered, oldest first. */
export async function listInvitations(
  services: InvitationServices,
  userId: string,
): Promise<PendingInvitation[]> {
  return listPendingInvitations(services.db, userId);
}

/**
 * Offers a membership to each of `invitees` (e-mail addresses, or user ids in hex or dashed). Left out are unknown and
 * inactive users, members and the owner, and users with a pending invitation, which stays as it is.
 * @returns those of the given identifiers whose user was newly invited, each user once
 * @throws invitee_missing, not_found (only the owner invites)
 */
export async function invite(
  services: InvitationServices,
  request: {
    readonly userId: string;
    readonly nameOrId: string;
    /** Left out: the folder's own. */
    readonly permission?: Permission | undefined;
    readonly invitees: readonly string[];
  },
): Promise<string[]> {
  const { userId, nameOrId, invitees } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'own' });
  const permission = request.permission ?? folder.defaultPermission;
  if (invitees.length === 0) throw domainError('invitee_missing', 'Name at least one user to invite.');
  const identifiers = sortOut(invitees);
  return services.db.transaction(async (tx) => {
    if (!(await lockLiveFolder(tx, folder.id))) throw folderNotFound();
    const found = await listInvitees(tx, { folderId: folder.id, ...identifiers });
    const offers = found.map(({ id }) => ({ id: uuidv7(), inviteeId: id, inviterId: userId, permission }));
    const invited = await insertInvitations(
      tx,
      offers.map((offer) => ({ ...offer, folderId: folder.id })),
    );
    if (invited.length > 0) {
      const entry = { actorId: userId, folderId: folder.id, details: { permission, invitees: invited } };
      await insertAudit(tx, { ...entry, action: 'invitation.send' });
    }
    return asGiven(
      invitees,
      found.filter(({ id }) => invited.includes(id)),
    );
  });
}

function sortOut(invitees: readonly string[]): { userIds: string[]; emails: string[] } {
  // Postgres refuses NUL in text; no address contains one.
  const known = invitees.filter((given) => !given.includes('\0'));
  return {
    userIds: known.flatMap((given) => parseId(given) ?? []),
    emails: known.filter((given) => parseId(given) === undefined),
  };
}

function asGiven(invitees: readonly string[], invited: readonly Invitee[]): string[] {
  return invited.flatMap(({ id, email }) => {
    const isOf = (given: string) => parseId(given) === id || given.toLowerCase() === email.toLowerCase();
    return invitees.find(isOf) ?? [];
  });
}

function invitationNotFound(): DomainError {
  return domainError('not_found', 'There is no such invitation.');
}

/**
 * Makes the invitee a member, under `name` or else under the owner's name for the folder. Of concurrent answers to
 * one invitation exactly one gets through. After a refusal the invitation stays pending. `accessKey` is a cross-check
 * that published clients send: the invitation is not found for a key of somebody else.
 * @returns the name under which the invitee now sees the folder
 * @throws not_found (unknown, someone else's, answered, or the folder is gone), name_invalid, folder_name_taken
 */
export async function acceptInvitation(
  services: InvitationServices,
  request: InvitationRequest & {
    readonly name?: string | undefined;
    readonly accessKey?: string | undefined;
  },
): Promise<string> {
  const alias = request.name === undefined ? undefined : parseFolderName(request.name);
  const reference = toReference(request);
  await refuseForeignKey(services, request);
  return services.db.transaction(async (tx) => {
    const offered = await findPendingInvitation(tx, reference);
    // The folder is locked before the invitation, as everywhere, so that deletion and acceptance cannot cross.
    if (offered === null || !(await lockLiveFolder(tx, offered.folderId))) throw invitationNotFound();
    const permission = await answerInvitation(tx, reference, 'accepted');
    if (permission === null) throw invitationNotFound();
    const name = alias ?? offered.folderName;
    const { folderId } = offered;
    const member = { folderId, permission, userId: request.userId, name, isOwner: false };
    if (!(await insertMember(tx, member))) throw folderNameTaken(name);
    const entry = { actorId: request.userId, folderId, subject: reference.invitationId };
    await insertAudit(tx, { ...entry, action: 'invitation.accept', details: { permission } });
    return name;
  });
}

async function refuseForeignKey(
  services: InvitationServices,
  { userId, accessKey }: { readonly userId: string; readonly accessKey?: string | undefined },
): Promise<void> {
  if (accessKey === undefined || accessKey.includes('\0')) return;
  if (await isForeignAccessKey(services.db, { accessKey, userId })) throw invitationNotFound();
}

/**
 * Turns an invitation down. Only its invitee can.
 * @throws not_found (unknown, someone else's or answered)
 */
export async function rejectInvitation(
  services: InvitationServices,
  request: InvitationRequest,
): Promise<void> {
  const reference = toReference(request);
  await services.db.transaction(async (tx) => {
    if ((await answerInvitation(tx, reference, 'rejected')) === null) throw invitationNotFound();
    const entry = { actorId: request.userId, subject: reference.invitationId };
    await insertAudit(tx, { ...entry, action: 'invitation.reject' });
  });
}

function toReference({ userId, invitationId }: InvitationRequest) {
  const parsed = parseId(invitationId);
  if (parsed === undefined) throw invitationNotFound();
  return { invitationId: parsed, inviteeId: userId };
}

/** What is offered of the folders a user owns, whoever sent it, and not answered yet; oldest first. */
export async function listSent(services: InvitationServices, userId: string): Promise<PendingInvitation[]> {
  return listSentInvitations(services.db, userId);
}

function toSentReference({ userId, invitationId }: InvitationRequest) {
  const parsed = parseId(invitationId);
  if (parsed === undefined) throw invitationNotFound();
  return { invitationId: parsed, ownerId: userId };
}

/** Takes a pending invitation back. Only for the owner of its folder. @throws not_found */
export async function cancelSent(services: InvitationServices, request: InvitationRequest): Promise<void> {
  const reference = toSentReference(request);
  await services.db.transaction(async (tx) => {
    if (!(await cancelInvitation(tx, reference))) throw invitationNotFound();
    const entry = { actorId: request.userId, subject: reference.invitationId };
    await insertAudit(tx, { ...entry, action: 'invitation.cancel' });
  });
}

/** Changes what a pending invitation offers. Only for the owner of its folder. @throws not_found */
export async function changeSent(
  services: InvitationServices,
  request: InvitationRequest & { readonly permission: Permission },
): Promise<void> {
  const { permission } = request;
  const reference = toSentReference(request);
  await services.db.transaction(async (tx) => {
    if (!(await updateInvitation(tx, reference, permission))) throw invitationNotFound();
    const entry = { actorId: request.userId, subject: reference.invitationId };
    await insertAudit(tx, { ...entry, action: 'invitation.change', details: { permission } });
  });
}
