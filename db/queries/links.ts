import { and, desc, eq, gt, inArray, lt, or, type SQL, sql } from 'drizzle-orm';
import { unionAll } from 'drizzle-orm/pg-core';
import type { LinkKind } from '../../domain/link.ts';
import { linkRights } from '../../domain/link.ts';
import { holdsRight, permissions } from '../../domain/permission.ts';
import type { Executor } from '../client.ts';
import { folders } from '../schema/folders.ts';
import { links } from '../schema/links.ts';
import { members } from '../schema/members.ts';
import { users } from '../schema/users.ts';

/** A link as those may see it who may revoke it. */
export interface LinkRecord {
  readonly id: string;
  readonly kind: LinkKind;
  readonly folderId: string;
  /** The asker's name for the folder, and for administrators its owner's; `null` when they do not see it. */
  readonly folderName: string | null;
  readonly path: string;
  readonly makerId: string;
  readonly makerEmail: string;
  readonly hasPassword: boolean;
  readonly usesMax: number | null;
  readonly uses: number;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  readonly lastUsedAt: Date | null;
  readonly isExpired: boolean;
  /** Its maker may still do what it is for, and what it was made with is switched on. */
  readonly isPermitted: boolean;
}

/** A link as its use needs it. */
export interface LinkToUse {
  readonly id: string;
  readonly kind: LinkKind;
  readonly folderId: string;
  readonly path: string;
  readonly userId: string;
  readonly passwordHash: string | null;
  readonly usesMax: number | null;
  readonly uses: number;
}

/** A link to keep; it is made with a keypair or with a token. */
export interface NewLink extends Omit<LinkToUse, 'uses'> {
  readonly digest: string;
  readonly accessKey: string | null;
  readonly tokenId: string | null;
  readonly expiresAt: Date;
}

const isLive = gt(links.expiresAt, sql`now()`);

/** The permissions of members that suffice for links of a kind. */
function sufficientFor(kind: LinkKind): SQL {
  const right = linkRights[kind];
  const held = permissions.filter((permission) => holdsRight({ permission, isOwner: false }, right));
  return sql`(${eq(links.kind, kind)} AND (maker.is_owner OR maker.permission IN ${held}))`;
}

/** Of a link joined with its maker (`users`) and its folder. By primary keys. */
const isPermitted = sql<boolean>`(
  ${users.isActive} AND ${folders.state} = 'active'
  AND CASE WHEN ${links.tokenId} IS NULL
    THEN EXISTS (SELECT 1 FROM keypairs
      WHERE keypairs.access_key = ${links.accessKey} AND keypairs.user_id = ${links.userId} AND keypairs.is_active)
    ELSE EXISTS (SELECT 1 FROM api_tokens
      WHERE api_tokens.id = ${links.tokenId} AND api_tokens.user_id = ${links.userId} AND api_tokens.expires_at > now()) END
  AND EXISTS (SELECT 1 FROM members AS maker
    WHERE maker.folder_id = ${links.folderId} AND maker.user_id = ${links.userId}
      AND (${sufficientFor('download')} OR ${sufficientFor('upload')})))`;

/** Locks the row of a user who is about to make a link, until the transaction ends. */
export async function lockLinkMaker(tx: Executor, userId: string): Promise<void> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('no key update');
}

/** How many unexpired links a user has. To decide by that, lock the user's row in a statement before. */
export async function countLinks(db: Executor, userId: string): Promise<number> {
  const [row] = await db
    .select({ total: sql<number>`count(*)::int` })
    .from(links)
    .where(and(eq(links.userId, userId), isLive));
  return row?.total ?? 0;
}

/** Keeps a new link. */
export async function insertLink(tx: Executor, link: NewLink): Promise<void> {
  await tx.insert(links).values(link);
}

/**
 * The link of a token, by its digest, unless it has expired or its maker may not do any more what it is for; else `null`. Whether
 * it is used up is for the caller to see. Uses `links_digest_key`.
 */
export async function findLink(db: Executor, digest: string): Promise<LinkToUse | null> {
  const rows = await db
    .select({
      id: links.id,
      kind: links.kind,
      folderId: links.folderId,
      path: links.path,
      userId: links.userId,
      passwordHash: links.passwordHash,
      usesMax: links.usesMax,
      uses: links.uses,
    })
    .from(links)
    .innerJoin(users, eq(users.id, links.userId))
    .innerJoin(folders, eq(folders.id, links.folderId))
    .where(and(eq(links.digest, digest), isLive, isPermitted));
  return rows[0] ?? null;
}

/** Whether a link is there, has not expired, and its maker may still do what it is for, as of now. */
export async function isLinkGood(db: Executor, id: string): Promise<boolean> {
  const rows = await db
    .select({ id: links.id })
    .from(links)
    .innerJoin(users, eq(users.id, links.userId))
    .innerJoin(folders, eq(folders.id, links.folderId))
    .where(and(eq(links.id, id), isLive, isPermitted));
  return rows.length === 1;
}

function selectRecords(db: Executor, askerId: string | typeof folders.ownerId) {
  return db
    .select({
      id: links.id,
      kind: links.kind,
      folderId: links.folderId,
      folderName: members.name,
      path: links.path,
      makerId: links.userId,
      makerEmail: users.email,
      hasPassword: sql<boolean>`${links.passwordHash} IS NOT NULL`,
      usesMax: links.usesMax,
      uses: links.uses,
      createdAt: links.createdAt,
      expiresAt: links.expiresAt,
      lastUsedAt: links.lastUsedAt,
      isExpired: sql<boolean>`${links.expiresAt} <= now()`,
      isPermitted,
    })
    .from(links)
    .innerJoin(users, eq(users.id, links.userId))
    .innerJoin(folders, eq(folders.id, links.folderId))
    .leftJoin(members, and(eq(members.folderId, links.folderId), eq(members.userId, askerId)));
}

/** Which links are meant: of a folder, if one is named; older than `beforeId`. */
export interface LinkPage {
  readonly userId: string;
  readonly folderId: string | undefined;
  readonly beforeId: string | undefined;
  readonly limit: number;
}

/** The links that a user made and those of the live folders that they own, newest first; pages by key. */
export async function listLinks(db: Executor, page: LinkPage): Promise<LinkRecord[]> {
  const { userId, folderId, beforeId, limit } = page;
  const older = and(
    folderId === undefined ? undefined : eq(links.folderId, folderId),
    beforeId === undefined ? undefined : lt(links.id, beforeId),
  );
  const made = db
    .select({ id: links.id })
    .from(links)
    .where(and(eq(links.userId, userId), older));
  // Not those that they made themselves: each comes once.
  const owned = db
    .select({ id: links.id })
    .from(folders)
    .innerJoin(links, eq(links.folderId, folders.id))
    .where(
      and(
        eq(folders.ownerId, userId),
        sql`${folders.state} = 'active'`,
        sql`${links.userId} <> ${userId}`,
        older,
      ),
    );
  const ids = unionAll(made, owned).orderBy(desc(sql`id`)).limit(limit);
  return await selectRecords(db, userId).where(inArray(links.id, ids)).orderBy(desc(links.id));
}

/** The links of everybody, or of one user, newest first; pages by key. */
export async function listAllLinks(
  db: Executor,
  page: Omit<LinkPage, 'userId'> & { readonly userId: string | undefined },
): Promise<LinkRecord[]> {
  const { userId, folderId, beforeId, limit } = page;
  return await selectRecords(db, folders.ownerId)
    .where(
      and(
        userId === undefined ? undefined : eq(links.userId, userId),
        folderId === undefined ? undefined : eq(links.folderId, folderId),
        beforeId === undefined ? undefined : lt(links.id, beforeId),
      ),
    )
    .orderBy(desc(links.id))
    .limit(limit);
}

const mayRevoke = (userId: string) => or(eq(links.userId, userId), eq(folders.ownerId, userId));

/** A link that a user made, or of a folder that they own, or `null`. */
export async function findLinkRecord(
  db: Executor,
  { id, userId }: { readonly id: string; readonly userId: string },
): Promise<LinkRecord | null> {
  const rows = await selectRecords(db, userId).where(and(eq(links.id, id), mayRevoke(userId)));
  return rows[0] ?? null;
}

/** A link that is revoked. */
export interface RevokedLink {
  readonly id: string;
  readonly folderId: string;
  readonly makerId: string;
}

const revoked = { id: links.id, folderId: links.folderId, makerId: links.userId };

/** Revokes a link of a user, or of a folder that they own. @returns `null` when there is none */
export async function deleteLink(
  tx: Executor,
  { id, userId }: { readonly id: string; readonly userId: string },
): Promise<RevokedLink | null> {
  const mine = tx
    .select({ id: links.id })
    .from(links)
    .innerJoin(folders, eq(folders.id, links.folderId))
    .where(and(eq(links.id, id), mayRevoke(userId)));
  const rows = await tx.delete(links).where(inArray(links.id, mine)).returning(revoked);
  return rows[0] ?? null;
}

/** Revokes a link, whoever made it. @returns `null` when there is none */
export async function deleteAnyLink(tx: Executor, id: string): Promise<RevokedLink | null> {
  const rows = await tx.delete(links).where(eq(links.id, id)).returning(revoked);
  return rows[0] ?? null;
}

/** Revokes what a user made for a folder. Uses `links_folder_idx`. @returns how many */
export async function deleteLinksOfMember(
  tx: Executor,
  { folderId, userId }: { readonly folderId: string; readonly userId: string },
): Promise<number> {
  const rows = await tx
    .delete(links)
    .where(and(eq(links.folderId, folderId), eq(links.userId, userId)))
    .returning({ id: links.id });
  return rows.length;
}

/** Forgets up to `limit` links that expired a day ago. @returns how many */
export async function deleteExpiredLinks(db: Executor, limit: number): Promise<number> {
  const gone = await db.execute(sql`
    DELETE FROM links WHERE id = ANY(ARRAY(
      SELECT id FROM links WHERE expires_at < now() - interval '1 day' LIMIT ${limit}
    ))`);
  return gone.count;
}
