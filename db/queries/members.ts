import { and, asc, count, desc, eq, inArray, or, sql } from 'drizzle-orm';
import type { UsageMode } from '../../domain/folder-options.ts';
import { holdsRight, type Permission, permissions, type Right } from '../../domain/permission.ts';
import type { Executor } from '../client.ts';
import { violatedConstraint } from '../failure.ts';
import { folders } from '../schema/folders.ts';
import { members } from '../schema/members.ts';
import { users } from '../schema/users.ts';
import { counterColumns, type FolderCounters } from './usage.ts';

/** A live folder as one member sees it: their name and permission, the folder's limits (bytes, files) and counters. */
export interface MemberFolder extends FolderCounters {
  readonly id: string;
  readonly volume: string;
  readonly ownerId: string;
  readonly ownerEmail: string;
  readonly usageMode: UsageMode;
  readonly cloneable: boolean;
  /** What an invitation offers that names no permission. */
  readonly defaultPermission: Permission;
  readonly usageAsOf: Date;
  readonly createdAt: Date;
  /** The name under which this member sees the folder. */
  readonly name: string;
  readonly permission: Permission;
  readonly isOwner: boolean;
}

/** A member of a folder, as its owner sees them. `name` is the member's own name for the folder. */
export interface FolderMember {
  readonly userId: string;
  readonly email: string;
  readonly name: string;
  readonly permission: Permission;
  readonly isOwner: boolean;
  readonly createdAt: Date;
}

/** A membership about to be recorded. */
export interface NewMember {
  readonly folderId: string;
  readonly userId: string;
  readonly name: string;
  readonly permission: Permission;
  readonly isOwner: boolean;
}

/** Which folder a user means: by their name for it or, when `folderId` is given, by its id; an id wins over a name. */
export interface FolderReference {
  readonly userId: string;
  readonly name: string;
  readonly folderId?: string | undefined;
  /** What they want to do with it. */
  readonly right: Right;
}

const folderColumns = {
  id: folders.id,
  volume: folders.volume,
  ownerId: folders.ownerId,
  ownerEmail: users.email,
  usageMode: folders.usageMode,
  cloneable: folders.cloneable,
  defaultPermission: folders.permission,
  ...counterColumns,
  usageAsOf: folders.usageAsOf,
  createdAt: folders.createdAt,
};

function sufficient(right: Right): Permission[] {
  return permissions.filter((permission) => holdsRight({ permission, isOwner: false }, right));
}

/**
 * The live folder a user means, if they hold `right` on it, else `null`: one statement, so that nothing is learned
 * about a folder the right is missing for. The reference is resolved before the right is looked at. Names are chosen by
 * people, also by those who invite others; ids are not: a folder that is named like the id of another one never gets what
 * is meant for that. Uses `members_user_name_key`.
 */
export async function findMemberFolder(
  executor: Executor,
  { userId, name, folderId, right }: FolderReference,
): Promise<MemberFolder | null> {
  const isNamed = eq(members.name, name);
  const member = executor
    .select()
    .from(members)
    .where(
      and(
        eq(members.userId, userId),
        folderId === undefined ? isNamed : or(isNamed, eq(members.folderId, folderId)),
      ),
    )
    .orderBy(folderId === undefined ? isNamed : desc(eq(members.folderId, folderId)))
    .limit(1)
    .as('member');
  const [row] = await executor
    .select({ ...folderColumns, name: member.name, permission: member.permission, isOwner: member.isOwner })
    .from(member)
    .innerJoin(folders, and(eq(folders.id, member.folderId), eq(folders.state, 'active')))
    .innerJoin(users, eq(users.id, folders.ownerId))
    .where(or(member.isOwner, inArray(member.permission, sufficient(right))));
  return row ?? null;
}

/** Tells whether a user already sees a folder under `name`. */
export async function isFolderNameTaken(
  executor: Executor,
  { userId, name }: { readonly userId: string; readonly name: string },
): Promise<boolean> {
  const rows = await executor
    .select({ folderId: members.folderId })
    .from(members)
    .where(and(eq(members.userId, userId), eq(members.name, name)))
    .limit(1);
  return rows.length > 0;
}

/** How many folders a user sees. */
export async function countMemberFolders(executor: Executor, userId: string): Promise<number> {
  const [row] = await executor
    .select({ total: count() })
    .from(members)
    .innerJoin(folders, and(eq(folders.id, members.folderId), eq(folders.state, 'active')))
    .where(eq(members.userId, userId));
  return row?.total ?? 0;
}

/**
 * The folders a user sees, by name in byte order (a total order, for names are unique per user). The documented
 * paging is by number, so this one listing skips rows instead of seeking a key.
 */
export async function listMemberFolders(
  executor: Executor,
  { userId, limit, offset }: { readonly userId: string; readonly limit: number; readonly offset: number },
): Promise<MemberFolder[]> {
  return executor
    .select({
      ...folderColumns,
      name: members.name,
      permission: members.permission,
      isOwner: members.isOwner,
    })
    .from(members)
    .innerJoin(folders, and(eq(folders.id, members.folderId), eq(folders.state, 'active')))
    .innerJoin(users, eq(users.id, folders.ownerId))
    .where(eq(members.userId, userId))
    .orderBy(asc(sql`${members.name} COLLATE "C"`))
    .limit(limit)
    .offset(offset);
}

/**
 * Records a membership unless the user already sees another folder under that name.
 * @returns whether it was recorded
 */
export async function insertMember(tx: Executor, member: NewMember): Promise<boolean> {
  const rows = await tx
    .insert(members)
    .values(member)
    .onConflictDoNothing({ target: [members.userId, members.name] })
    .returning({ folderId: members.folderId });
  return rows.length > 0;
}

/** Ends every membership of a folder, the owner's too; its names are free once the transaction commits. */
export async function deleteFolderMembers(tx: Executor, folderId: string): Promise<void> {
  await tx.delete(members).where(eq(members.folderId, folderId));
}

/** Ends one membership; never the owner's. @returns whether there was one */
export async function deleteMember(
  executor: Executor,
  { folderId, userId }: { readonly folderId: string; readonly userId: string },
): Promise<boolean> {
  const rows = await executor
    .delete(members)
    .where(and(eq(members.folderId, folderId), eq(members.userId, userId), eq(members.isOwner, false)))
    .returning({ userId: members.userId });
  return rows.length > 0;
}

/**
 * Changes the name under which one member, or the owner, sees a folder; the others keep theirs.
 * @returns `taken` when the user sees another folder under that name, `gone` when they are no member
 */
export async function renameMember(
  db: Executor,
  change: { readonly folderId: string; readonly userId: string; readonly name: string },
): Promise<'renamed' | 'taken' | 'gone'> {
  try {
    const rows = await db
      .update(members)
      .set({ name: change.name })
      .where(and(eq(members.folderId, change.folderId), eq(members.userId, change.userId)))
      .returning({ userId: members.userId });
    return rows.length > 0 ? 'renamed' : 'gone';
  } catch (error) {
    if (violatedConstraint(error) !== 'members_user_name_key') throw error;
    return 'taken';
  }
}

/** Changes what a member may do; never the owner. @returns whether there was such a member */
export async function updateMemberPermission(
  executor: Executor,
  change: { readonly folderId: string; readonly userId: string; readonly permission: Permission },
): Promise<boolean> {
  const rows = await executor
    .update(members)
    .set({ permission: change.permission })
    .where(
      and(
        eq(members.folderId, change.folderId),
        eq(members.userId, change.userId),
        eq(members.isOwner, false),
      ),
    )
    .returning({ userId: members.userId });
  return rows.length > 0;
}

/** Makes one member the owner, with every right, or the owner a member with `rd`. @returns whether there was such a row */
export async function updateMemberOwnership(
  tx: Executor,
  change: { readonly folderId: string; readonly userId: string; readonly isOwner: boolean },
): Promise<boolean> {
  const rows = await tx
    .update(members)
    .set({ isOwner: change.isOwner, permission: 'rd' })
    .where(and(eq(members.folderId, change.folderId), eq(members.userId, change.userId)))
    .returning({ userId: members.userId });
  return rows.length > 0;
}

/** The members of a folder, the owner first, then in the order in which they came. */
export async function listFolderMembers(executor: Executor, folderId: string): Promise<FolderMember[]> {
  return executor
    .select({
      userId: members.userId,
      email: users.email,
      name: members.name,
      permission: members.permission,
      isOwner: members.isOwner,
      createdAt: members.createdAt,
    })
    .from(members)
    .innerJoin(users, eq(users.id, members.userId))
    .where(eq(members.folderId, folderId))
    .orderBy(desc(members.isOwner), asc(members.createdAt), asc(members.userId));
}
