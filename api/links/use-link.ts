import { createHash } from 'node:crypto';
import type { Executor } from '../../db/client.ts';
import { hasLinkReader, uncountLinkUse } from '../../db/queries/link-uses.ts';
import { findLink, type LinkToUse } from '../../db/queries/links.ts';
import { findMemberFolder } from '../../db/queries/members.ts';
import { type DomainError, domainError, isDomainError } from '../../domain/errors.ts';
import { type LinkKind, linkRights, linkTokenForm } from '../../domain/link.ts';
import { tokenDigest } from '../../domain/secret-token.ts';
import type { FolderAccess } from '../authorize.ts';
import type { Admitted } from '../http/send-file.ts';
import type { ApiRequest } from '../route.ts';
import type { LinkBounds } from './bounds.ts';
import { linkDaysOf } from './operations.ts';
import { type GuardedLink, givenPassword, type LinkPasswords } from './passwords.ts';

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

/** Browsers keep a password for a realm (RFC 9110 §11.5): each link has its own, so that none is sent what opens another. */
function challengeOf(linkId: string): string {
  return `Basic realm="link ${linkId.slice(-12)}", charset="UTF-8"`;
}

async function requirePassword(
  { services, headers, outgoing, takesPlainSecrets }: ApiRequest<unknown>,
  passwords: LinkPasswords,
  link: GuardedLink,
): Promise<void> {
  // Not even asked for: who is asked sends it.
  if (!takesPlainSecrets)
    throw domainError('auth_invalid', 'The password of a link is only accepted over TLS.');
  try {
    await passwords.require(services, link, givenPassword(headers.authorization));
  } catch (error) {
    if (isDomainError(error, 'link_password_required'))
      outgoing.setHeader('WWW-Authenticate', challengeOf(link.id));
    throw error;
  }
}

/**
 * Finds the link of a token and asks for everything that it needs: that it is of the kind wanted, not expired, not used up, that
 * its maker may still do this, and for the password. Nothing of the folder has been looked at before.
 * @throws not_found, the same for all of these; link_password_required, rate_limited, requests_busy; auth_invalid where a password
 *   could be read on its way
 */
export async function openLink(
  request: ApiRequest<unknown>,
  { passwords }: Pick<LinkBounds, 'passwords'>,
  kind: LinkKind,
): Promise<OpenLink> {
  const { services, params, origin } = request;
  const token = params.token ?? '';
  if (linkDaysOf(services) === 0 || !linkTokenForm.isFormOf(token)) throw linkNotFound();
  const link = await findLink(services.db, tokenDigest(token));
  if (link === null) throw linkNotFound();
  const { id, userId, folderId, passwordHash } = link;
  request.noteLink(id);
  if (link.kind !== kind) throw linkNotFound();
  const reader = hashOf(id, origin);
  if (await isSpent(services, link, reader)) throw linkNotFound();
  // By id alone: a folder that its maker names like an id is another one.
  const folder = await findMemberFolder(services.db, { userId, folderId, name: '', right: linkRights[kind] });
  if (folder === null) throw linkNotFound();
  if (passwordHash !== null) await requirePassword(request, passwords, { id, passwordHash });
  return { link, folder, reader };
}

/**
 * Counts a download that is about to begin. A whole content is always counted; of parts the first one that an address asks
 * for, unless it began to fetch the same content in the last hours. @throws not_found when the link is used up
 */
export async function countDownload(
  { services, requestId }: ApiRequest<unknown>,
  { uses }: Pick<LinkBounds, 'uses'>,
  { link, reader }: OpenLink,
  { path, etag, isPart }: Admitted & { readonly path: string },
): Promise<void> {
  const fetched = { reader, content: hashOf(path, etag ?? ''), isPart };
  if (!(await uses.count({ db: services.db, link, requestId, fetched }))) throw linkNotFound();
}

/** Counts an upload that is about to begin. @returns what takes that back @throws not_found when the link is used up */
export async function countUpload(
  { services, requestId }: ApiRequest<unknown>,
  { uses }: Pick<LinkBounds, 'uses'>,
  { link }: OpenLink,
): Promise<() => Promise<void>> {
  if (!(await uses.count({ db: services.db, link, requestId, fetched: null }))) throw linkNotFound();
  return () => uncountLinkUse(services.db, link.id);
}
