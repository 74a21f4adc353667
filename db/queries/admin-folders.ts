import { and, asc, eq, gt, inArray, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { type FolderState, folders } from '../schema/folders.ts';
import { members } from '../schema/members.ts';
import { users } from '../schema/users.ts';
import { counterColumns, type FolderCounters } from './usage.ts';

/** A folder as administrators see it, with its limits and counters; bytes and regular files. */
export interface AdminFolder extends FolderCounters {
  readonly id: string;
  /** The owner's name for it. */
  readonly name: string;
  readonly ownerId: string;
  readonly ownerEmail: string;
  readonly volume: string;
  readonly state: FolderState;
  readonly createdAt: Date;
}

const columns = {
  id: folders.id,
  name: sql<string>`coalesce(${members.name}, ${folders.trashedName}, '')`,
  ownerId: folders.ownerId,
  ownerEmail: users.email,
  volume: folders.volume,
  state: folders.state,
  ...counterColumns,
  createdAt: folders.createdAt,
};

// One that is being cloned has its whole quota reserved, and a deleted one has no use for a quota.
const isSettled = inArray(folders.state, ['active', 'trashed']);

function selectFolders(db: Executor) {
  return db
    .select(columns)
    .from(folders)
    .innerJoin(users, eq(users.id, folders.ownerId))
    .leftJoin(members, and(eq(members.folderId, folders.id), eq(members.userId, folders.ownerId)));
}

/** Up to `limit` folders that are live or in the trash, above `afterId`, by id; of one owner if one is given. */
export async function listAdminFolders(
  db: Executor,
  page: {
    readonly ownerId: string | undefined;
    readonly afterId: string | undefined;
    readonly limit: number;
  },
): Promise<AdminFolder[]> {
  const { ownerId, afterId } = page;
  return await selectFolders(db)
    .where(
      and(
        isSettled,
        ownerId === undefined ? undefined : eq(folders.ownerId, ownerId),
        afterId === undefined ? undefined : gt(folders.id, afterId),
      ),
    )
    .orderBy(asc(folders.id))
    .limit(page.limit);
}

/** A folder that is live or in the trash, or `null`. */
export async function findAdminFolder(db: Executor, folderId: string): Promise<AdminFolder | null> {
  const [row] = await selectFolders(db).where(and(isSettled, eq(folders.id, folderId)));
  return row ?? null;
}

/**
 * The limits of a folder that is live or in the trash, locked until the transaction ends, so that changes happen one after the
 * other and each knows what it changed. @returns `null` without one
 */
export async function lockFolderQuota(
  tx: Executor,
  folderId: string,
): Promise<{ quotaBytes: number; quotaFiles: number } | null> {
  const [row] = await tx
    .select({ quotaBytes: folders.quotaBytes, quotaFiles: folders.quotaFiles })
    .from(folders)
    .where(and(isSettled, eq(folders.id, folderId)))
    .for('no key update');
  return row ?? null;
}

/**
 * Gives a folder that is live or in the trash other limits, also below what it holds; `undefined` leaves one as it is. What
 * is reserved already stays reserved. @returns whether there is one
 */
export async function updateFolderQuota(
  tx: Executor,
  change: {
    readonly folderId: string;
    readonly quotaBytes: number | undefined;
    readonly quotaFiles: number | undefined;
  },
): Promise<boolean> {
  const rows = await tx
    .update(folders)
    .set({
      quotaBytes: change.quotaBytes ?? sql`${folders.quotaBytes}`,
      quotaFiles: change.quotaFiles ?? sql`${folders.quotaFiles}`,
    })
    .where(and(isSettled, eq(folders.id, change.folderId)))
    .returning({ id: folders.id });
  return rows.length === 1;
}
