import { randomBytes, randomInt } from 'node:crypto';
import { uuidv7 } from 'uuidv7';
import { insertKeypair } from '../../db/queries/keypairs.ts';
import { findUserByReference, insertUser, listUsers, type User } from '../../db/queries/users.ts';
import { domainError } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import type { Services } from '../services.ts';

const accessKeyAlphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const accessKeyCharacters = 20;
/** 30 bytes are 40 characters of base64url, without padding. */
const secretKeyBytes = 30;
const usersPerPage = 100;

/** A keypair at the only moment its secret is shown. */
export interface IssuedKeypair {
  readonly accessKey: string;
  readonly secretKey: string;
}

/**
 * Makes a user under the default policy. The address is kept as given; it is unique whatever its case.
 * @throws email_taken
 */
export async function createUser(services: Pick<Services, 'db'>, email: string): Promise<User> {
  const user = await insertUser(services.db, { id: uuidv7(), email, role: 'user' });
  if (user === null) throw domainError('email_taken', 'A user with this e-mail address exists.');
  return user;
}

/** One page of all users by id, and the cursor of the next one or `null`. @throws request_malformed */
export async function readUsers(
  services: Pick<Services, 'db'>,
  cursor: string | undefined,
): Promise<{ readonly users: readonly User[]; readonly nextCursor: string | null }> {
  const afterId = cursor === undefined ? undefined : parseId(cursor);
  if (cursor !== undefined && afterId === undefined) {
    throw domainError('request_malformed', 'The cursor is not one of this list.');
  }
  const users = await listUsers(services.db, { afterId, limit: usersPerPage });
  const isFull = users.length === usersPerPage;
  return { users, nextCursor: isFull ? (users.at(-1)?.id ?? null) : null };
}

function makeAccessKey(): string {
  return Array.from(
    { length: accessKeyCharacters },
    () => accessKeyAlphabet[randomInt(accessKeyAlphabet.length)],
  ).join('');
}

/**
 * Makes a keypair for a user given by id or e-mail address; its rights are its user's. The secret is stored sealed only.
 * @throws not_found when there is no such user
 */
export async function issueKeypair(
  services: Pick<Services, 'db' | 'secrets'>,
  idOrEmail: string,
): Promise<IssuedKeypair> {
  const user = await findUserByReference(services.db, idOrEmail);
  if (user === null) throw domainError('not_found', 'There is no such user.');
  const keypair = {
    accessKey: makeAccessKey(),
    secretKey: randomBytes(secretKeyBytes).toString('base64url'),
  };
  const isNew = await insertKeypair(services.db, {
    accessKey: keypair.accessKey,
    userId: user.id,
    secretSealed: services.secrets.seal(keypair.secretKey),
  });
  // 36^20 keys: a clash means a broken source of randomness.
  if (!isNew) throw domainError('internal', 'An access key was made twice.');
  return keypair;
}
