import { and, count, desc, eq, inArray, or, sql } from 'drizzle-orm';
import { holdsRight, type Permission, permissions, type Right } from '../../domain/permission.ts';
import type { Executor } from '../client.ts';
import { folders } from '../schema/folders.ts';
import { members } from '../schema/members.ts';

/** A live folder as one member sees it: their name and permission, the folder's limits (bytes, files) and counters. */
export interface MemberFolder {
  readonly id: string;
  readonly volume: string;
  readonly ownerId: string;
  readonly quotaBytes: number;
  readonly quotaFiles: number;
  readonly usedBytes: number;
  readonly usedFiles: number;
  readonly trashBytes: number;
  readonly trashFiles: number;
  readonly reservedBytes: number;
  readonly reservedFiles: number;
  readonly usageAsOf: Date;
  readonly createdAt: Date;
  /** The name under which this member sees the folder. */
  readonly name: string;
  readonly permission: Permission;
  readonly isOwner: boolean;
}

/** Which folder is asked for: its name for this user or, when `folderId` is given, its id; a name wins over an id. */
export interface FolderRef {
  readonly userId: string;
  readonly name: string;
  readonly folderId?: string | undefined;
}

const folderColumns = {
  id: folders.id,
  volume: folders.volume,
  ownerId: folders.ownerId,
  quotaBytes: folders.quotaBytes,
  quotaFiles: folders.quotaFiles,
  usedBytes: folders.usedBytes,
  usedFiles: folders.usedFiles,
  trashBytes: folders.trashBytes,
  trashFiles: folders.trashFiles,
  reservedBytes: folders.reservedBytes,
  reservedFiles: folders.reservedFiles,
  usageAsOf: folders.usageAsOf,
  createdAt: folders.createdAt,
};

function sufficient(right: Right): Permission[] {
  return permissions.filter((permission) => holdsRight({ permission, isOwner: false }, right));
}

/**
 * The live folder a member refers to, if they hold `right` on it, else `null`: one statement, so that nothing is
 * learned about a folder the right is missing for. The reference is resolved before the right is looked at; a folder
 * whose name looks like an id never lets a request through to the folder with that id. Uses `members_user_name_key`.
 */
export async function findMemberFolder(
  executor: Executor,
  ref: FolderRef & { readonly right: Right },
): Promise<MemberFolder | null> {
  const isNamed = eq(members.name, ref.name);
  const referred = ref.folderId === undefined ? isNamed : or(isNamed, eq(members.folderId, ref.folderId));
  const member = executor
    .select()
    .from(members)
    .where(and(eq(members.userId, ref.userId), referred))
    .orderBy(desc(sql`(${isNamed})`))
    .limit(1)
    .as('member');
  const [row] = await executor
    .select({ ...folderColumns, name: member.name, permission: member.permission, isOwner: member.isOwner })
    .from(member)
    .innerJoin(folders, and(eq(folders.id, member.folderId), eq(folders.state, 'active')))
    .where(or(member.isOwner, inArray(member.permission, sufficient(ref.right))));
  return row ?? null;
}

/** How many live folders a user sees. */
export async function countMemberFolders(executor: Executor, userId: string): Promise<number> {
  const [row] = await executor
    .select({ total: count() })
    .from(members)
    .innerJoin(folders, and(eq(folders.id, members.folderId), eq(folders.state, 'active')))
    .where(eq(members.userId, userId));
  return row?.total ?? 0;
}
