import { and, eq } from 'drizzle-orm';
import type { Permission } from '../../domain/permission.ts';
import type { Executor } from '../client.ts';
import { members } from '../schema/members.ts';

/** Keeps a membership from being ended, and waits for whoever is at it, until the transaction ends. @returns whether it is there */
export async function holdMember(
  tx: Executor,
  member: { readonly folderId: string; readonly userId: string },
): Promise<boolean> {
  const rows = await tx
    .select({ userId: members.userId })
    .from(members)
    .where(and(eq(members.folderId, member.folderId), eq(members.userId, member.userId)))
    .for('key share');
  return rows.length === 1;
}

/** What a user may do in a folder right now; `null` for a stranger and for a deleted folder. */
export async function findMemberRight(
  db: Executor,
  member: { readonly folderId: string; readonly userId: string },
): Promise<{ permission: Permission; isOwner: boolean } | null> {
  const rows = await db
    .select({ permission: members.permission, isOwner: members.isOwner })
    .from(members)
    .where(and(eq(members.folderId, member.folderId), eq(members.userId, member.userId)));
  return rows[0] ?? null;
}
