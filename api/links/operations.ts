import { uuidv7 } from 'uuidv7';
import type { Executor } from '../../db/client.ts';
import { insertAudit } from '../../db/queries/audit.ts';
import {
  countLinks,
  deleteAnyLink,
  deleteLink,
  findLinkRecord,
  insertLink,
  type LinkRecord,
  listAllLinks,
  listLinks,
  lockLinkMaker,
  type RevokedLink,
} from '../../db/queries/links.ts';
import { holdMember } from '../../db/queries/member-rights.ts';
import { type EntryPath, formatEntryPath, parseEntryPath } from '../../domain/entry-path.ts';
import { domainError } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import { type LinkKind, linkDaysDefault, linkRights, linksMax, linkTokenForm } from '../../domain/link.ts';
import { tokenDigest } from '../../domain/secret-token.ts';
import { requireUserId } from '../admin/operations.ts';
import { folderNotFound, folderVolume, loadFolder } from '../authorize.ts';
import { readFolderFilter } from '../http/folder-filter.ts';
import { readIdCursor } from '../http/id-cursor.ts';
import type { Operator } from '../operator.ts';
import type { Principal } from '../route.ts';
import type { Services } from '../services.ts';
import type { LinkPasswords } from './passwords.ts';

const dayMs = 24 * 60 * 60 * 1000;
const tokenMark = 'token:';

/** A link that somebody wants; exactly one of the two says when it expires. */
export interface LinkRequest {
  readonly nameOrId: string;
  readonly path: string;
  readonly kind: LinkKind;
  readonly expiresInSeconds: number | undefined;
  readonly expiresAt: Date | undefined;
  readonly usesMax: number | null;
  readonly password: string | undefined;
}

/** A link at the only moment its token is shown. */
export interface IssuedLink {
  readonly link: LinkRecord;
  readonly token: string;
}

/** How long links may last here, in days; 0: there are none. */
export function linkDaysOf({ linkDays = linkDaysDefault }: Pick<Services, 'linkDays'>): number {
  return linkDays;
}

/** When a link is to expire. @throws links_off; request_malformed when that is past, or further off than links may last */
function expiryOf(services: Services, { expiresInSeconds, expiresAt }: LinkRequest): Date {
  const days = linkDaysOf(services);
  if (days === 0) throw domainError('links_off', 'Nobody can make links on this installation.');
  const now = Date.now();
  const at = expiresAt ?? new Date(now + (expiresInSeconds ?? 0) * 1000);
  if (at.getTime() > now && at.getTime() <= now + days * dayMs) return at;
  const detail = `A link expires in the future, at most ${days} days from now.`;
  const pointer = expiresAt === undefined ? '/expires_in' : '/expires_at';
  throw domainError('request_malformed', detail, { errors: [{ pointer, detail }] });
}

/**
 * What a link is to lead to, which has to be there: of downloads a file or directory, of uploads a directory.
 * @throws path_invalid, entry_not_found, entry_not_regular
 */
async function requireEntry(
  services: Services,
  folder: { readonly id: string; readonly volume: string },
  { path: raw, kind }: LinkRequest,
): Promise<EntryPath> {
  const path = parseEntryPath(raw, 'read');
  // What is uploaded has to get a name below it.
  if (kind === 'upload' && path.length > 0) parseEntryPath(formatEntryPath(path), 'write');
  const stat = await folderVolume(services, folder).stat(folder.id, path);
  if (kind === 'upload') {
    if (stat?.kind !== 'directory') throw domainError('entry_not_found', 'No directory has that path.');
    return path;
  }
  if (stat === null) throw domainError('entry_not_found', 'No entry has that path.');
  if (stat.kind === 'file' || stat.kind === 'directory') return path;
  throw domainError('entry_not_regular', 'The entry is neither a regular file nor a directory.');
}

/** What a link is bound to: the token or the keypair that its maker came with. */
function madeWith({ accessKey }: Principal) {
  const isToken = accessKey.startsWith(tokenMark);
  return isToken
    ? { accessKey: null, tokenId: accessKey.slice(tokenMark.length) }
    : { accessKey, tokenId: null };
}

/** @throws link_limit_reached */
async function requireFewLinks(db: Executor, userId: string): Promise<void> {
  if ((await countLinks(db, userId)) < linksMax) return;
  const detail = `You have ${linksMax} links that have not expired; revoke one first.`;
  throw domainError('link_limit_reached', detail, { extra: { limit: linksMax } });
}

/**
 * Makes a link on behalf of a user who holds the right that it is for.
 * @throws not_found, path_invalid, entry_not_found, entry_not_regular, request_malformed, links_off, link_limit_reached
 */
export async function issueLink(
  services: Services,
  passwords: LinkPasswords,
  by: Operator & { readonly principal: Principal },
  request: LinkRequest,
): Promise<IssuedLink> {
  const { nameOrId, kind, usesMax, password } = request;
  const { actorId: userId, requestId, principal } = by;
  const expiresAt = expiryOf(services, request);
  const folder = await loadFolder(services, { userId, nameOrId, right: linkRights[kind] });
  const path = formatEntryPath(await requireEntry(services, folder, request));
  const token = linkTokenForm.make();
  await requireFewLinks(services.db, userId);
  const passwordHash = password === undefined ? null : await passwords.hash(password, userId);
  const id = uuidv7();
  const row = { id, kind, userId, path, passwordHash, usesMax, expiresAt, folderId: folder.id };
  const link = await services.db.transaction(async (tx) => {
    await lockLinkMaker(tx, userId);
    await requireFewLinks(tx, userId);
    if (!(await holdMember(tx, { folderId: folder.id, userId }))) throw folderNotFound();
    await insertLink(tx, { ...row, ...madeWith(principal), digest: tokenDigest(token) });
    const details = {
      kind,
      path,
      usesMax,
      hasPassword: passwordHash !== null,
      expiresAt: expiresAt.toISOString(),
    };
    const entry = { actorId: userId, requestId, folderId: folder.id, subject: id, details };
    await insertAudit(tx, { ...entry, action: 'link.create' });
    return await findLinkRecord(tx, { id, userId });
  });
  if (link === null) throw domainError('internal', 'An inserted link is there.');
  return { link, token };
}

/** A page of the links that somebody made and those of their folders, newest first. @throws not_found, request_malformed */
export async function readLinks(
  services: Services,
  page: {
    readonly userId: string;
    readonly folder: string | undefined;
    readonly cursor: string | undefined;
    readonly limit: number;
  },
): Promise<{ readonly links: readonly LinkRecord[]; readonly nextCursor: string | null }> {
  const { userId, folder: nameOrId, cursor, limit } = page;
  const beforeId = readIdCursor(cursor);
  const folder =
    nameOrId === undefined ? undefined : await loadFolder(services, { userId, nameOrId, right: 'read' });
  const links = await listLinks(services.db, { userId, folderId: folder?.id, beforeId, limit });
  return { links, nextCursor: links.length === limit ? (links.at(-1)?.id ?? null) : null };
}

function noSuchLink() {
  return domainError('not_found', 'There is no such link.');
}

/** A link that somebody made, or of their folder. @throws not_found */
export async function readLink(
  services: Pick<Services, 'db'>,
  request: { readonly userId: string; readonly id: string },
): Promise<LinkRecord> {
  const id = parseId(request.id);
  const link = id === undefined ? null : await findLinkRecord(services.db, { id, userId: request.userId });
  if (link === null) throw noSuchLink();
  return link;
}

/** Deletes a link by `take` and notes that. @throws not_found when there is nothing to take */
async function revoke(
  services: Pick<Services, 'db'>,
  { actorId, requestId }: Operator,
  {
    rawId,
    take,
  }: {
    readonly rawId: string;
    readonly take: (tx: Executor, id: string) => Promise<RevokedLink | null>;
  },
): Promise<void> {
  const id = parseId(rawId);
  if (id === undefined) throw noSuchLink();
  await services.db.transaction(async (tx) => {
    const gone = await take(tx, id);
    if (gone === null) throw noSuchLink();
    const { id: subject, folderId, makerId: maker } = gone;
    const entry = { actorId, requestId, folderId, subject, details: { maker } };
    await insertAudit(tx, { ...entry, action: 'link.revoke' });
  });
}

/** Revokes a link that somebody made, or of their folder; it is not found from the next request on. @throws not_found */
export async function revokeLink(
  services: Pick<Services, 'db'>,
  operator: Operator,
  rawId: string,
): Promise<void> {
  const userId = operator.actorId;
  await revoke(services, operator, { rawId, take: (tx, id) => deleteLink(tx, { id, userId }) });
}

/** Which links an administrator asks for, as they wrote it. */
export interface LinkListRequest {
  readonly user: string | undefined;
  readonly folder: string | undefined;
  readonly cursor: string | undefined;
  readonly limit: number;
}

/** A page of the links of everybody, newest first. @throws not_found (no such user), request_malformed */
export async function readAllLinks(
  services: Pick<Services, 'db'>,
  { user, folder, cursor, limit }: LinkListRequest,
): Promise<{ readonly links: readonly LinkRecord[]; readonly nextCursor: string | null }> {
  const folderId = readFolderFilter(folder);
  const userId = await requireUserId(services.db, user);
  const links = await listAllLinks(services.db, { userId, folderId, beforeId: readIdCursor(cursor), limit });
  return { links, nextCursor: links.length === limit ? (links.at(-1)?.id ?? null) : null };
}

/** Revokes anybody's link, as {@link revokeLink} does. @throws not_found */
export async function revokeAnyLink(
  services: Pick<Services, 'db'>,
  operator: Operator,
  rawId: string,
): Promise<void> {
  await revoke(services, operator, { rawId, take: deleteAnyLink });
}
