import { and, asc, eq } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Permission } from '../../domain/permission.ts';
import type { Executor } from '../client.ts';
import { folders } from '../schema/folders.ts';
import { members } from '../schema/members.ts';
import { users } from '../schema/users.ts';

/** One membership of somebody else in a folder of its owner's. `folderName` is the owner's name for it. */
export interface Share {
  readonly folderId: string;
  readonly folderName: string;
  readonly userId: string;
  readonly email: string;
  readonly permission: Permission;
}

/** Most memberships listed at once. */
export const sharesListedMax = 10_000;

const own = alias(members, 'own');

/**
 * Who else may use the live folders that a user owns, or the one with `folderId`; by folder, then by user, at most
 * {@link sharesListedMax}. Uses `folders_owner_idx` and the primary key of members.
 */
export async function listShares(
  executor: Executor,
  { ownerId, folderId }: { readonly ownerId: string; readonly folderId: string | undefined },
): Promise<Share[]> {
  return executor
    .select({
      folderId: folders.id,
      folderName: own.name,
      userId: members.userId,
      email: users.email,
      permission: members.permission,
    })
    .from(folders)
    .innerJoin(own, and(eq(own.folderId, folders.id), eq(own.isOwner, true)))
    .innerJoin(members, and(eq(members.folderId, folders.id), eq(members.isOwner, false)))
    .innerJoin(users, eq(users.id, members.userId))
    .where(
      and(
        eq(folders.ownerId, ownerId),
        eq(folders.state, 'active'),
        folderId === undefined ? undefined : eq(folders.id, folderId),
      ),
    )
    .orderBy(asc(folders.id), asc(members.userId))
    .limit(sharesListedMax);
}
