import { and, count, eq, exists, inArray, sql } from 'drizzle-orm';
import type { FolderOptions, UsageMode } from '../../domain/folder-options.ts';
import type { Permission } from '../../domain/permission.ts';
import type { TreeCount } from '../../domain/quota.ts';
import type { Executor } from '../client.ts';
import { folders } from '../schema/folders.ts';
import { members } from '../schema/members.ts';
import { policies } from '../schema/policies.ts';
import { users } from '../schema/users.ts';

/** What a user's policy lets them own: folders, and bytes and regular files in each new folder. */
export interface FolderAllowance {
  readonly foldersMax: number;
  readonly folderBytesMax: number;
  readonly folderFilesMax: number;
  /** Folders owned at the moment, those being made by a clone included. */
  readonly foldersOwned: number;
  /** Where folders may be placed; `null` is everywhere. */
  readonly volumes: readonly string[] | null;
}

/** A folder about to be recorded; limits in bytes and regular files. */
export interface NewFolder {
  readonly id: string;
  readonly ownerId: string;
  readonly volume: string;
  readonly usageMode?: UsageMode;
  readonly cloneable?: boolean;
  readonly permission?: Permission;
  readonly quotaBytes: number;
  readonly quotaFiles: number;
  /** Default `active`. All of the limits of a folder that is `cloning` is reserved for what it is filled with. */
  readonly state?: 'active' | 'cloning';
}

async function countOwnedFolders(executor: Executor, ownerId: string): Promise<number> {
  const [row] = await executor
    .select({ owned: count() })
    .from(folders)
    .where(and(eq(folders.ownerId, ownerId), inArray(folders.state, ['active', 'cloning'])));
  return row?.owned ?? 0;
}

/** A user's allowance as it stands, without a lock: good for an early refusal, not for a decision. `null`: no such user. */
export async function findFolderAllowance(
  executor: Executor,
  userId: string,
): Promise<FolderAllowance | null> {
  const [limits] = await executor
    .select({
      foldersMax: policies.foldersMax,
      folderBytesMax: policies.folderBytesMax,
      folderFilesMax: policies.folderFilesMax,
      volumes: policies.volumes,
    })
    .from(users)
    .innerJoin(policies, eq(policies.name, users.policyName))
    .where(eq(users.id, userId));
  if (limits === undefined) return null;
  return { ...limits, foldersOwned: await countOwnedFolders(executor, userId) };
}

/**
 * The allowance, with the user's row locked until the transaction ends, so that creations of one user are decided
 * one after the other. The lock does not hinder rows that merely refer to the user.
 */
export async function lockFolderAllowance(tx: Executor, userId: string): Promise<FolderAllowance | null> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('no key update');
  return findFolderAllowance(tx, userId);
}

/** Records a folder. The caller records the owner's membership in the same transaction. */
export async function insertFolder(tx: Executor, folder: NewFolder): Promise<void> {
  const isCloning = folder.state === 'cloning';
  const reserved = isCloning ? { reservedBytes: folder.quotaBytes, reservedFiles: folder.quotaFiles } : {};
  await tx.insert(folders).values({ ...folder, ...reserved });
}

/**
 * Locks a live folder's row until the transaction ends; what it says about members and invitations then stands still.
 * @returns `false` when the folder is not live
 */
export async function lockLiveFolder(tx: Executor, folderId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: folders.id })
    .from(folders)
    .where(and(eq(folders.id, folderId), eq(folders.state, 'active')))
    .for('no key update');
  return rows.length > 0;
}

/** Changes options of a live folder that `ownerId` still owns. @returns what they are then; `null` when it is neither */
export async function updateFolderOptions(
  db: Executor,
  change: {
    readonly folderId: string;
    readonly ownerId: string;
    readonly cloneable?: boolean | undefined;
    readonly permission?: Permission | undefined;
  },
): Promise<FolderOptions | null> {
  const { folderId, ownerId, cloneable, permission } = change;
  const [row] = await db
    .update(folders)
    .set({
      cloneable: cloneable ?? sql`${folders.cloneable}`,
      permission: permission ?? sql`${folders.permission}`,
    })
    .where(and(eq(folders.id, folderId), eq(folders.ownerId, ownerId), eq(folders.state, 'active')))
    .returning({
      usageMode: folders.usageMode,
      cloneable: folders.cloneable,
      permission: folders.permission,
    });
  return row ?? null;
}

/** Gives a live folder that `from` still owns to `to`. The caller changes the memberships. @returns whether it did */
export async function updateFolderOwner(
  tx: Executor,
  change: { readonly folderId: string; readonly from: string; readonly to: string },
): Promise<boolean> {
  const rows = await tx
    .update(folders)
    .set({ ownerId: change.to })
    .where(
      and(eq(folders.id, change.folderId), eq(folders.ownerId, change.from), eq(folders.state, 'active')),
    )
    .returning({ id: folders.id });
  return rows.length > 0;
}

/**
 * Takes a live folder out of service if `userId` still owns it; exactly one of several concurrent calls gets the
 * volume it lies on, the others `null`.
 */
export async function markFolderDeleted(
  tx: Executor,
  { folderId, userId }: { readonly folderId: string; readonly userId: string },
): Promise<{ readonly volume: string } | null> {
  const ownership = tx
    .select({ one: sql`1` })
    .from(members)
    .where(and(eq(members.folderId, folders.id), eq(members.userId, userId), eq(members.isOwner, true)));
  const [row] = await tx
    .update(folders)
    .set({ state: 'deleted', deletedAt: sql`now()`, mutationSeq: sql`${folders.mutationSeq} + 1` })
    // The owner in the row itself is looked at again where the row had to be waited for, what other tables say is not.
    .where(
      and(
        eq(folders.id, folderId),
        eq(folders.state, 'active'),
        eq(folders.ownerId, userId),
        exists(ownership),
      ),
    )
    .returning({ volume: folders.volume });
  return row ?? null;
}

/** Shows a folder that a clone has filled. @returns whether it was waiting for that */
export async function settleClone(
  tx: Executor,
  clone: { readonly folderId: string; readonly usage: TreeCount },
): Promise<boolean> {
  const rows = await tx
    .update(folders)
    .set({
      state: 'active',
      usedBytes: clone.usage.bytes,
      usedFiles: clone.usage.files,
      reservedBytes: 0,
      reservedFiles: 0,
      directories: clone.usage.directories,
      mutationSeq: sql`${folders.mutationSeq} + 1`,
      usageAsOf: sql`now()`,
    })
    .where(and(eq(folders.id, clone.folderId), eq(folders.state, 'cloning')))
    .returning({ id: folders.id });
  return rows.length > 0;
}

/** Gives up a folder that a clone did not fill. The caller ends its memberships and has it purged. @returns whether it was one */
export async function markCloneDeleted(tx: Executor, folderId: string): Promise<boolean> {
  const rows = await tx
    .update(folders)
    .set({ state: 'deleted', deletedAt: sql`now()` })
    .where(and(eq(folders.id, folderId), eq(folders.state, 'cloning')))
    .returning({ id: folders.id });
  return rows.length > 0;
}
