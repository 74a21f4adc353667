import { createHash } from 'node:crypto';
import type { Executor } from '../../db/client.ts';
import { insertAudit } from '../../db/queries/audit.ts';
import { countLinkUse, hasLinkReader, noteLinkReader, uncountLinkUse } from '../../db/queries/link-uses.ts';
import { findLink, type LinkToUse } from '../../db/queries/links.ts';
import { findMemberFolder } from '../../db/queries/members.ts';
import { type DomainError, domainError } from '../../domain/errors.ts';
import { type LinkKind, linkRights, linkTokenForm } from '../../domain/link.ts';
import { tokenDigest } from '../../domain/secret-token.ts';
import type { FolderAccess } from '../authorize.ts';
import type { Admitted } from '../http/send-file.ts';
import type { ApiRequest } from '../route.ts';
import { linkDaysOf } from './operations.ts';
import { givenPassword, type LinkPasswords } from './passwords.ts';

/** A link that leads somewhere at the moment, and the folder as its maker may use it. */
export interface OpenLink {
  readonly link: LinkToUse;
  readonly folder: FolderAccess;
  /** Who uses it, for counting; a hash of the link and the address. */
  readonly reader: string;
}

/** The one refusal of links that are unknown, expired, revoked, used up, of another kind, or whose maker has lost the right. */
export function linkNotFound(cause?: unknown): DomainError {
  return domainError('not_found', 'The link leads nowhere.', cause === undefined ? {} : { cause });
}

function hashOf(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex');
}

/** Who has begun a download may go on with it when the link is used up. */
async function isSpent(
  { db }: { readonly db: Executor },
  { id: linkId, kind, uses, usesMax }: LinkToUse,
  reader: string,
): Promise<boolean> {
  if (usesMax === null || uses < usesMax) return false;
  return kind === 'upload' || !(await hasLinkReader(db, { linkId, reader }));
}

/**
 * Finds the link of a token and asks for everything that it needs: that it is of the kind wanted, not expired, not used up, that
 * its maker may still do this, and for the password. Nothing of the folder has been looked at before.
 * @throws not_found, the same for all of these; link_password_required, rate_limited
 */
export async function openLink(
  { services, params, origin, headers }: ApiRequest<unknown>,
  passwords: LinkPasswords,
  kind: LinkKind,
): Promise<OpenLink> {
  const token = params.token ?? '';
  if (linkDaysOf(services) === 0 || !linkTokenForm.isFormOf(token)) throw linkNotFound();
  const link = await findLink(services.db, tokenDigest(token));
  if (link === null || link.kind !== kind) throw linkNotFound();
  const { id, userId, folderId, passwordHash } = link;
  const reader = hashOf(id, origin);
  if (await isSpent(services, link, reader)) throw linkNotFound();
  // By id alone: a folder that its maker names like an id is another one.
  const folder = await findMemberFolder(services.db, { userId, folderId, name: '', right: linkRights[kind] });
  if (folder === null) throw linkNotFound();
  if (passwordHash !== null) {
    await passwords.require(services, { id, passwordHash }, givenPassword(headers.authorization));
  }
  return { link, folder, reader };
}

async function count(tx: Executor, { link }: OpenLink, requestId: string): Promise<void> {
  const { id, kind, userId: actorId, folderId } = link;
  const outcome = await countLinkUse(tx, id);
  if (outcome === 'refused') throw linkNotFound();
  if (outcome !== 'first') return;
  await insertAudit(tx, { actorId, requestId, action: 'link.use', folderId, subject: id, details: { kind } });
}

/**
 * Counts a download that is about to begin. A whole content is always counted; of parts the first one that an address asks
 * for, unless it began to fetch the same content in the last hours. @throws not_found when the link is used up
 */
export async function countDownload(
  { services, requestId }: ApiRequest<unknown>,
  opened: OpenLink,
  { path, etag, isPart }: Admitted & { readonly path: string },
): Promise<void> {
  const { link, reader } = opened;
  const noted = { linkId: link.id, reader, content: hashOf(path, etag ?? ''), isPart };
  await services.db.transaction(async (tx) => {
    const isBeginning = await noteLinkReader(tx, noted);
    if (isBeginning) await count(tx, opened, requestId);
  });
}

/** Counts an upload that is about to begin. @returns what takes that back @throws not_found when the link is used up */
export async function countUpload(
  { services, requestId }: ApiRequest<unknown>,
  opened: OpenLink,
): Promise<() => Promise<void>> {
  await services.db.transaction((tx) => count(tx, opened, requestId));
  return () => uncountLinkUse(services.db, opened.link.id);
}
