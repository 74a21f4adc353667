import { and, asc, eq, inArray, isNull, ne, or, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Permission } from '../../domain/permission.ts';
import type { Executor } from '../client.ts';
import { folders } from '../schema/folders.ts';
import { invitations } from '../schema/invitations.ts';
import { keypairs } from '../schema/keypairs.ts';
import { members } from '../schema/members.ts';
import { users } from '../schema/users.ts';

/** An offered membership as the invitee sees it. `folderName` is the owner's name for the folder. */
export interface PendingInvitation {
  readonly id: string;
  readonly folderId: string;
  readonly folderName: string;
  readonly usedFiles: number;
  readonly permission: Permission;
  readonly inviterId: string;
  readonly inviterEmail: string;
  readonly inviteeEmail: string;
  readonly createdAt: Date;
}

/** Someone who may be invited to a folder. */
export interface Invitee {
  readonly id: string;
  readonly email: string;
}

/** An offer about to be recorded. */
export interface NewInvitation {
  readonly id: string;
  readonly folderId: string;
  readonly inviterId: string;
  readonly inviteeId: string;
  readonly permission: Permission;
}

/** One invitation and who asks about it: nobody but its invitee ever gets an answer. */
export interface InvitationReference {
  readonly invitationId: string;
  readonly inviteeId: string;
}

/** Most pending invitations shown at once, the oldest first; answering some brings up the rest. */
export const pendingListedMax = 1000;

const ownerMember = alias(members, 'owner_member');
const inviter = alias(users, 'inviter');
const invitee = alias(users, 'invitee');

const isPending = eq(invitations.state, 'pending');

function selectPending(executor: Executor) {
  return executor
    .select({
      id: invitations.id,
      folderId: invitations.folderId,
      folderName: ownerMember.name,
      usedFiles: folders.usedFiles,
      permission: invitations.permission,
      inviterId: invitations.inviterId,
      inviterEmail: inviter.email,
      inviteeEmail: invitee.email,
      createdAt: invitations.createdAt,
    })
    .from(invitations)
    .innerJoin(folders, and(eq(folders.id, invitations.folderId), eq(folders.state, 'active')))
    .innerJoin(ownerMember, and(eq(ownerMember.folderId, folders.id), eq(ownerMember.isOwner, true)))
    .innerJoin(inviter, eq(inviter.id, invitations.inviterId))
    .innerJoin(invitee, eq(invitee.id, invitations.inviteeId));
}

/** What a user is offered and has not answered, oldest first, at most {@link pendingListedMax}. */
export async function listPendingInvitations(
  executor: Executor,
  inviteeId: string,
): Promise<PendingInvitation[]> {
  return selectPending(executor)
    .where(and(eq(invitations.inviteeId, inviteeId), isPending))
    .orderBy(asc(invitations.createdAt), asc(invitations.id))
    .limit(pendingListedMax);
}

/** One pending invitation of its invitee, else `null`. */
export async function findPendingInvitation(
  executor: Executor,
  { invitationId, inviteeId }: InvitationReference,
): Promise<PendingInvitation | null> {
  const [row] = await selectPending(executor).where(
    and(eq(invitations.id, invitationId), eq(invitations.inviteeId, inviteeId), isPending),
  );
  return row ?? null;
}

/**
 * The active users among `userIds` and `emails` (any case) who are not members of the folder; the owner is a member.
 * Uses `users_pkey` and `users_email_key`.
 */
export async function listInvitees(
  tx: Executor,
  given: {
    readonly folderId: string;
    readonly userIds: readonly string[];
    readonly emails: readonly string[];
  },
): Promise<Invitee[]> {
  const lowered = given.emails.map((email) => sql`lower(${email})`);
  return tx
    .select({ id: users.id, email: users.email })
    .from(users)
    .leftJoin(members, and(eq(members.userId, users.id), eq(members.folderId, given.folderId)))
    .where(
      and(
        eq(users.isActive, true),
        isNull(members.userId),
        or(inArray(users.id, [...given.userIds]), inArray(sql`lower(${users.email})`, lowered)),
      ),
    );
}

/**
 * Records offers; those whose invitee already has a pending one for the folder are left as they are.
 * @returns the invitees of the offers that were recorded
 */
export async function insertInvitations(tx: Executor, offers: readonly NewInvitation[]): Promise<string[]> {
  if (offers.length === 0) return [];
  const rows = await tx
    .insert(invitations)
    .values([...offers])
    .onConflictDoNothing({
      target: [invitations.folderId, invitations.inviteeId],
      where: sql`state = 'pending'`,
    })
    .returning({ inviteeId: invitations.inviteeId });
  return rows.map((row) => row.inviteeId);
}

/**
 * Ends a pending invitation by its invitee's answer; of several concurrent answers exactly one gets through.
 * @returns what was offered at that moment, when this one did
 */
export async function answerInvitation(
  tx: Executor,
  { invitationId, inviteeId }: InvitationReference,
  answer: 'accepted' | 'rejected',
): Promise<Permission | null> {
  const [row] = await tx
    .update(invitations)
    .set({ state: answer, answeredAt: sql`now()` })
    .where(and(eq(invitations.id, invitationId), eq(invitations.inviteeId, inviteeId), isPending))
    .returning({ permission: invitations.permission });
  return row?.permission ?? null;
}

/** Cancels every pending invitation to a folder. Uses `invitations_pending_key`. */
export async function cancelFolderInvitations(tx: Executor, folderId: string): Promise<void> {
  await tx
    .update(invitations)
    .set({ state: 'cancelled', answeredAt: sql`now()` })
    .where(and(eq(invitations.folderId, folderId), isPending));
}

/** What is offered of the folders a user owns and not answered, oldest first, at most {@link pendingListedMax}. */
export async function listSentInvitations(executor: Executor, ownerId: string): Promise<PendingInvitation[]> {
  return selectPending(executor)
    .where(and(eq(folders.ownerId, ownerId), isPending))
    .orderBy(asc(invitations.createdAt), asc(invitations.id))
    .limit(pendingListedMax);
}

/** One invitation and the owner of its folder, who alone may take it back or change it, whoever sent it. */
export interface SentInvitationReference {
  readonly invitationId: string;
  readonly ownerId: string;
}

function isSentBy(executor: Executor, { invitationId, ownerId }: SentInvitationReference) {
  const owned = executor
    .select({ id: folders.id })
    .from(folders)
    .where(and(eq(folders.ownerId, ownerId), eq(folders.state, 'active')));
  return and(eq(invitations.id, invitationId), isPending, inArray(invitations.folderId, owned));
}

/** Takes a pending invitation back. @returns whether there was one */
export async function cancelInvitation(
  executor: Executor,
  reference: SentInvitationReference,
): Promise<boolean> {
  const rows = await executor
    .update(invitations)
    .set({ state: 'cancelled', answeredAt: sql`now()` })
    .where(isSentBy(executor, reference))
    .returning({ id: invitations.id });
  return rows.length > 0;
}

/** Changes what a pending invitation offers. @returns whether there was one */
export async function updateInvitation(
  executor: Executor,
  reference: SentInvitationReference,
  permission: Permission,
): Promise<boolean> {
  const rows = await executor
    .update(invitations)
    .set({ permission })
    .where(isSentBy(executor, reference))
    .returning({ id: invitations.id });
  return rows.length > 0;
}

/** Cancels what one user is offered of a folder. Uses `invitations_pending_key`. */
export async function cancelInvitationsTo(
  tx: Executor,
  offer: { readonly folderId: string; readonly inviteeId: string },
): Promise<void> {
  await tx
    .update(invitations)
    .set({ state: 'cancelled', answeredAt: sql`now()` })
    .where(
      and(eq(invitations.folderId, offer.folderId), eq(invitations.inviteeId, offer.inviteeId), isPending),
    );
}

/** Forgets up to `limit` invitations that were answered or taken back more than `days` ago; uses `invitations_answered_idx`. */
export async function deleteAnsweredInvitations(
  db: Executor,
  { days, limit }: { readonly days: number; readonly limit: number },
): Promise<number> {
  const gone = await db.execute(sql`
    DELETE FROM invitations WHERE ctid = ANY(ARRAY(
      SELECT ctid FROM invitations WHERE answered_at < now() - make_interval(days => ${days}::int) LIMIT ${limit}
    ))`);
  return gone.count;
}

/** Tells whether an access key belongs to somebody else than `userId`. */
export async function isForeignAccessKey(
  executor: Executor,
  { accessKey, userId }: { readonly accessKey: string; readonly userId: string },
): Promise<boolean> {
  const rows = await executor
    .select({ userId: keypairs.userId })
    .from(keypairs)
    .where(and(eq(keypairs.accessKey, accessKey), ne(keypairs.userId, userId)));
  return rows.length > 0;
}
