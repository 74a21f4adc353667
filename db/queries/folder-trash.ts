import { and, asc, eq, exists, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { folders } from '../schema/folders.ts';
import { members } from '../schema/members.ts';

/** Most trashed folders shown at once, those that go first; taking some back or deleting them brings up the rest. */
export const trashListedMax = 1000;

/** A folder that its owner can have back until `purgeAt`. */
export interface TrashedFolder {
  readonly id: string;
  readonly name: string;
  readonly volume: string;
  readonly usedBytes: number;
  readonly usedFiles: number;
  readonly deletedAt: Date;
  readonly purgeAt: Date;
}

/** A trashed folder and its owner, who alone ever gets an answer about it. */
export interface TrashReference {
  readonly folderId: string;
  readonly ownerId: string;
}

function isTrashed({ folderId, ownerId }: TrashReference) {
  return and(eq(folders.id, folderId), eq(folders.ownerId, ownerId), eq(folders.state, 'trashed'));
}

/**
 * Takes a live folder out of service for `retentionDays` if `userId` still owns it, under the name they have for it.
 * @returns whether it did; exactly one of several concurrent calls does
 */
export async function markFolderTrashed(
  tx: Executor,
  folder: { readonly folderId: string; readonly userId: string; readonly retentionDays: number },
): Promise<boolean> {
  const { folderId, userId, retentionDays } = folder;
  const owner = and(eq(members.folderId, folderId), eq(members.userId, userId), eq(members.isOwner, true));
  const ownName = tx.select({ name: members.name }).from(members).where(owner);
  const rows = await tx
    .update(folders)
    .set({
      state: 'trashed',
      trashedName: sql`(${ownName})`,
      deletedAt: sql`now()`,
      purgeAt: sql`now() + make_interval(days => ${retentionDays})`,
      mutationSeq: sql`${folders.mutationSeq} + 1`,
    })
    // The owner in the row itself is looked at again where the row had to be waited for, what other tables say is not.
    .where(
      and(
        eq(folders.id, folderId),
        eq(folders.state, 'active'),
        eq(folders.ownerId, userId),
        exists(ownName),
      ),
    )
    .returning({ id: folders.id });
  return rows.length > 0;
}

/** What a user has in the trash, the first to go first, at most {@link trashListedMax}. Uses `folders_trash_idx`. */
export async function listTrashedFolders(db: Executor, ownerId: string): Promise<TrashedFolder[]> {
  const rows = await db
    .select({
      id: folders.id,
      name: folders.trashedName,
      volume: folders.volume,
      usedBytes: folders.usedBytes,
      usedFiles: folders.usedFiles,
      deletedAt: folders.deletedAt,
      purgeAt: folders.purgeAt,
    })
    .from(folders)
    .where(and(eq(folders.ownerId, ownerId), eq(folders.state, 'trashed')))
    .orderBy(asc(folders.purgeAt), asc(folders.id))
    .limit(trashListedMax);
  return rows.flatMap(({ name, deletedAt, purgeAt, ...folder }) =>
    name === null || deletedAt === null || purgeAt === null ? [] : [{ ...folder, name, deletedAt, purgeAt }],
  );
}

/** Brings a trashed folder back to life. The caller records its owner's membership. @returns its volume and the name it had */
export async function reviveFolder(
  tx: Executor,
  reference: TrashReference,
): Promise<{ readonly volume: string; readonly name: string } | null> {
  const [row] = await tx
    .update(folders)
    .set({ state: 'active', deletedAt: null, purgeAt: null, mutationSeq: sql`${folders.mutationSeq} + 1` })
    .where(isTrashed(reference))
    .returning({ volume: folders.volume, name: folders.trashedName });
  return row === undefined ? null : { volume: row.volume, name: row.name ?? '' };
}

/** Ends a trashed folder before its time. @returns the volume it lies on, or `null` when there is none */
export async function markTrashDeleted(
  tx: Executor,
  reference: TrashReference,
): Promise<{ readonly volume: string } | null> {
  const [row] = await tx
    .update(folders)
    .set({ state: 'deleted', mutationSeq: sql`${folders.mutationSeq} + 1` })
    .where(isTrashed(reference))
    .returning({ volume: folders.volume });
  return row ?? null;
}

/** Ends trashed folders of a volume whose time is over. @returns their ids Uses `folders_expiry_idx`. */
export async function takeExpiredTrash(
  tx: Executor,
  options: { readonly volume: string; readonly limit: number },
): Promise<string[]> {
  const rows = await tx.execute<{ id: string }>(sql`
    UPDATE folders SET state = 'deleted', mutation_seq = mutation_seq + 1
    WHERE id = ANY(ARRAY(
      SELECT id FROM folders WHERE state = 'trashed' AND purge_at <= now() AND volume = ${options.volume}
      ORDER BY purge_at LIMIT ${options.limit} FOR UPDATE SKIP LOCKED
    ))
    RETURNING id`);
  return rows.map(({ id }) => id);
}
