import { randomBytes, randomInt } from 'node:crypto';
import { insertAudit } from '../../db/queries/audit.ts';
import {
  deleteKeypair,
  findKeypair,
  insertKeypair,
  type KeypairRecord,
  listKeypairs,
  updateKeypair,
} from '../../db/queries/keypairs.ts';
import { deleteKeypairSessions } from '../../db/queries/sessions.ts';
import { isAccessKeyForm } from '../../domain/access-key.ts';
import { type DomainError, domainError } from '../../domain/errors.ts';
import { keepingAdministrator, requireUser, requireUserId } from '../admin/operations.ts';
import type { Operator } from '../operator.ts';
import type { Services } from '../services.ts';

const accessKeyAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const accessKeyCharacters = 20;
/** 30 bytes are 40 characters of base64url, without padding. */
const secretKeyBytes = 30;

/** A keypair at the only moment its secret is shown. */
export interface IssuedKeypair {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** A page of keypairs. */
export interface KeypairPage {
  readonly keypairs: readonly KeypairRecord[];
  readonly nextCursor: string | null;
}

function makeAccessKey(): string {
  return Array.from(
    { length: accessKeyCharacters },
    () => accessKeyAlphabet[randomInt(accessKeyAlphabet.length)],
  ).join('');
}

function makeSecretKey(): string {
  return randomBytes(secretKeyBytes).toString('base64url');
}

function keypairNotFound(): DomainError {
  return domainError('not_found', 'There is no such keypair.');
}

/**
 * Makes a keypair for a user given by id or e-mail address; its rights are its user's. The secret is stored sealed only.
 * @throws not_found when there is no such user
 */
export async function issueKeypair(
  services: Pick<Services, 'db' | 'secrets'>,
  { operator, user: reference }: { readonly operator: Operator; readonly user: string },
): Promise<IssuedKeypair> {
  const user = await requireUser(services.db, reference);
  const keypair = { accessKey: makeAccessKey(), secretKey: makeSecretKey() };
  const secretSealed = services.secrets.seal(keypair.secretKey);
  await services.db.transaction(async (tx) => {
    const { accessKey } = keypair;
    const isNew = await insertKeypair(tx, { accessKey, userId: user.id, secretSealed });
    // 36^20 keys: a clash means a broken source of randomness.
    if (!isNew) throw domainError('internal', 'An access key was made twice.');
    const details = { user: user.id };
    await insertAudit(tx, { ...operator, action: 'keypair.create', subject: accessKey, details });
  });
  return keypair;
}

/**
 * A page of keypairs, those of one user or all, by access key; never a secret.
 * @throws not_found when there is no such user; request_malformed for a cursor of no list
 */
export async function readKeypairs(
  services: Pick<Services, 'db'>,
  request: {
    readonly user: string | undefined;
    readonly isActive: boolean | undefined;
    readonly cursor: string | undefined;
    readonly limit: number;
  },
): Promise<KeypairPage> {
  const { user, isActive, cursor: afterKey, limit } = request;
  if (afterKey !== undefined && !isAccessKeyForm(afterKey)) {
    throw domainError('request_malformed', 'The cursor is not one of this list.');
  }
  const userId = await requireUserId(services.db, user);
  const keypairs = await listKeypairs(services.db, { userId, isActive, afterKey, limit });
  return { keypairs, nextCursor: keypairs.length === limit ? (keypairs.at(-1)?.accessKey ?? null) : null };
}

/** Switches a keypair on, or off with the sessions that were made with it. @throws not_found, last_admin */
export async function changeKeypair(
  services: Pick<Services, 'db'>,
  request: { readonly operator: Operator; readonly accessKey: string; readonly isActive: boolean },
): Promise<KeypairRecord> {
  const { operator, accessKey, isActive } = request;
  if (!isAccessKeyForm(accessKey)) throw keypairNotFound();
  return await keepingAdministrator(services, async (tx) => {
    // Changes happen one after the other here, so that each knows what it changed.
    const before = await findKeypair(tx, { accessKey });
    await updateKeypair(tx, accessKey, { isActive });
    if (!isActive) await deleteKeypairSessions(tx, accessKey);
    const keypair = await findKeypair(tx, { accessKey });
    if (before === null || keypair === null) throw keypairNotFound();
    const details = { user: keypair.userId, isActive, before: { isActive: before.isActive } };
    await insertAudit(tx, { ...operator, action: 'keypair.change', subject: accessKey, details });
    return keypair;
  });
}

/**
 * Gives a keypair another secret; the old one and the sessions made with it are refused from then on. With `userId` it has
 * to be one of theirs. @throws not_found
 */
export async function rotateKeypair(
  services: Pick<Services, 'db' | 'secrets'>,
  keypair: { readonly operator: Operator; readonly accessKey: string; readonly userId?: string },
): Promise<IssuedKeypair> {
  const { operator, accessKey } = keypair;
  const secretKey = makeSecretKey();
  if (!isAccessKeyForm(accessKey)) throw keypairNotFound();
  await services.db.transaction(async (tx) => {
    const found = await findKeypair(tx, keypair);
    if (found === null) throw keypairNotFound();
    await updateKeypair(tx, accessKey, { secretSealed: services.secrets.seal(secretKey) });
    await deleteKeypairSessions(tx, accessKey);
    const details = { user: found.userId };
    await insertAudit(tx, { ...operator, action: 'keypair.rotate', subject: accessKey, details });
  });
  return { accessKey, secretKey };
}

/** Removes a keypair for good, with the sessions made with it. @throws not_found, last_admin */
export async function removeKeypair(
  services: Pick<Services, 'db'>,
  { operator, accessKey }: { readonly operator: Operator; readonly accessKey: string },
): Promise<void> {
  if (!isAccessKeyForm(accessKey)) throw keypairNotFound();
  await keepingAdministrator(services, async (tx) => {
    const found = await findKeypair(tx, { accessKey });
    if (found === null) throw keypairNotFound();
    await deleteKeypair(tx, accessKey);
    const details = { user: found.userId, before: { isActive: found.isActive } };
    await insertAudit(tx, { ...operator, action: 'keypair.remove', subject: accessKey, details });
  });
}
