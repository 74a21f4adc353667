import { and, asc, desc, eq, type SQLWrapper } from 'drizzle-orm';
import type { UsageMode } from '../../domain/folder-options.ts';
import { holdsRight, type Permission, permissions, type Right } from '../../domain/permission.ts';
import type { Executor } from '../client.ts';
import { violatedConstraint } from '../failure.ts';
import { members } from '../schema/members.ts';
import { users } from '../schema/users.ts';
import { fragment, statement } from '../statement.ts';
import type { FolderCounters } from './usage.ts';

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

type FolderRow = Omit<MemberFolder, 'usageAsOf' | 'createdAt'> & {
  readonly usageAsOf: number;
  readonly createdAt: number;
  readonly [column: string]: unknown;
};

/** Counters come as doubles, exact up to 2^53, and times in milliseconds: as they are, the driver hands out both as texts. */
const counterColumns = fragment`
  quota_bytes::double precision AS "quotaBytes", quota_files::double precision AS "quotaFiles",
  used_bytes::double precision AS "usedBytes", used_files::double precision AS "usedFiles",
  trash_bytes::double precision AS "trashBytes", trash_files::double precision AS "trashFiles",
  reserved_bytes::double precision AS "reservedBytes", reserved_files::double precision AS "reservedFiles",
  directories::double precision AS "directories",
  (extract(epoch FROM usage_as_of) * 1000)::double precision AS "usageAsOf"`;

const folderColumns = fragment`
  folders.id, folders.volume, folders.owner_id AS "ownerId", users.email AS "ownerEmail", folders.usage_mode AS "usageMode",
  folders.cloneable, folders.permission AS "defaultPermission", ${counterColumns},
  (extract(epoch FROM folders.created_at) * 1000)::double precision AS "createdAt",
  member.name, member.permission, member.is_owner AS "isOwner"`;

const joinedFolder = fragment`
  JOIN folders ON folders.id = member.folder_id AND folders.state = 'active'
  JOIN users ON users.id = folders.owner_id`;

// To spread all but two columns takes ten times as long.
function toFolder(row: FolderRow): MemberFolder {
  return { ...row, usageAsOf: new Date(row.usageAsOf), createdAt: new Date(row.createdAt) };
}

/** The permissions that hold a right, as JSON. */
const sufficient = new Map<Right, string>();

function sufficientFor(right: Right): string {
  const known = sufficient.get(right);
  if (known !== undefined) return known;
  const held = permissions.filter((permission) => holdsRight({ permission, isOwner: false }, right));
  sufficient.set(right, JSON.stringify(held));
  return JSON.stringify(held);
}

function memberStatement({ userId, name, folderId, right }: FolderReference): SQLWrapper {
  const held = sufficientFor(right);
  if (folderId === undefined) {
    return statement`
      SELECT ${folderColumns} FROM members AS member ${joinedFolder}
      WHERE member.user_id = ${userId} AND member.name = ${name}
        AND (member.is_owner OR jsonb_exists(${held}::jsonb, member.permission))`;
  }
  return statement`
    SELECT ${folderColumns} FROM (
      SELECT * FROM members WHERE user_id = ${userId} AND (name = ${name} OR folder_id = ${folderId})
      ORDER BY folder_id = ${folderId} DESC LIMIT 1
    ) AS member ${joinedFolder}
    WHERE member.is_owner OR jsonb_exists(${held}::jsonb, member.permission)`;
}

/**
 * The live folder a user means, if they hold `right` on it, else `null`: one statement, so that nothing is learned
 * about a folder the right is missing for. The reference is resolved before the right is looked at. Names are chosen by
 * people, also by those who invite others; ids are not: a folder that is named like the id of another one never gets what
 * is meant for that. Uses `members_user_name_key`.
 */
export async function findMemberFolder(
  executor: Executor,
  reference: FolderReference,
): Promise<MemberFolder | null> {
  const [row] = await executor.execute<FolderRow>(memberStatement(reference));
  return row === undefined ? null : toFolder(row);
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
  const [row] = await executor.execute<{ readonly total: number }>(statement`
    SELECT count(*)::double precision AS total FROM members AS member
    JOIN folders ON folders.id = member.folder_id AND folders.state = 'active' WHERE member.user_id = ${userId}`);
  return row?.total ?? 0;
}

/** A part of the folders a user sees, and how many there are in all. */
export interface MemberFolderPage {
  readonly count: number;
  readonly folders: readonly MemberFolder[];
}

type PageRow = FolderRow & { readonly total: number };

/**
 * As {@link listMemberFolders}, with the number of all of them as of the same moment; `limit` null is no limit. Owners and
 * the texts of counters are looked up for what is on the page only.
 */
export async function pageMemberFolders(
  executor: Executor,
  page: { readonly userId: string; readonly limit: number | null; readonly offset: number },
): Promise<MemberFolderPage> {
  const { userId, limit, offset } = page;
  const rows = await executor.execute<PageRow>(statement`
    SELECT page.id, volume, owner_id AS "ownerId", email AS "ownerEmail", usage_mode AS "usageMode", cloneable,
      offered AS "defaultPermission", ${counterColumns},
      (extract(epoch FROM page.created_at) * 1000)::double precision AS "createdAt",
      page.name, permission, is_owner AS "isOwner", total
    FROM (
      SELECT folders.id, volume, owner_id, usage_mode, cloneable, folders.permission AS offered, quota_bytes, quota_files,
        used_bytes, used_files, trash_bytes, trash_files, reserved_bytes, reserved_files, directories, usage_as_of, folders.created_at,
        member.name, member.permission, is_owner, count(*) OVER ()::double precision AS total
      FROM members AS member JOIN folders ON folders.id = member.folder_id AND folders.state = 'active'
      WHERE member.user_id = ${userId} ORDER BY member.name COLLATE "C" LIMIT ${limit}::bigint OFFSET ${offset}
    ) AS page JOIN users ON users.id = owner_id ORDER BY page.name COLLATE "C"`);
  const [first] = rows;
  // A page past the end has no row that could tell.
  if (first === undefined)
    return { count: offset === 0 ? 0 : await countMemberFolders(executor, userId), folders: [] };
  return { count: first.total, folders: rows.map(toFolder) };
}

/**
 * The folders a user sees, by name in byte order (a total order, for names are unique per user). The documented
 * paging is by number, so this one listing skips rows instead of seeking a key.
 */
export async function listMemberFolders(
  executor: Executor,
  { userId, limit, offset }: { readonly userId: string; readonly limit: number; readonly offset: number },
): Promise<MemberFolder[]> {
  const rows = await executor.execute<FolderRow>(statement`
    SELECT ${folderColumns} FROM members AS member ${joinedFolder}
    WHERE member.user_id = ${userId} ORDER BY member.name COLLATE "C" LIMIT ${limit} OFFSET ${offset}`);
  return rows.map(toFolder);
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
