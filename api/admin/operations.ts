import { uuidv7 } from 'uuidv7';
import type { Executor } from '../../db/client.ts';
import { insertAudit } from '../../db/queries/audit.ts';
import { hasActiveAdmin } from '../../db/queries/bootstrap.ts';
import { holdPolicy } from '../../db/queries/policies.ts';
import { deleteUserSessions } from '../../db/queries/sessions.ts';
import {
  findUserByReference,
  findUserHoldings,
  insertUser,
  listUsers,
  lockAdministrators,
  type User,
  type UserFilter,
  type UserHoldings,
  updateUser,
} from '../../db/queries/users.ts';
import { type DomainError, domainError } from '../../domain/errors.ts';
import { beforeOf } from '../audit/before-of.ts';
import { readIdCursor } from '../http/id-cursor.ts';
import type { Operator } from '../operator.ts';
import type { Services } from '../services.ts';

function userNotFound(): DomainError {
  return domainError('not_found', 'There is no such user.');
}

/** The user whom a caller means by id or e-mail address. @throws not_found */
export async function requireUser(db: Executor, reference: string): Promise<User> {
  const user = await findUserByReference(db, reference);
  if (user === null) throw userNotFound();
  return user;
}

/** The id of the user whom a filter means, if it means one. @throws not_found */
export async function requireUserId(
  db: Executor,
  reference: string | undefined,
): Promise<string | undefined> {
  return reference === undefined ? undefined : (await requireUser(db, reference)).id;
}

/**
 * Makes a user under the default policy. The address is kept as given; it is unique whatever its case.
 * @throws email_taken
 */
export async function createUser(
  services: Pick<Services, 'db'>,
  { operator, email }: { readonly operator: Operator; readonly email: string },
): Promise<User> {
  return await services.db.transaction(async (tx) => {
    const user = await insertUser(tx, { id: uuidv7(), email, role: 'user' });
    if (user === null) throw domainError('email_taken', 'A user with this e-mail address exists.');
    await insertAudit(tx, { ...operator, action: 'user.create', subject: user.id, details: { email } });
    return user;
  });
}

/** One page of users by id, and the cursor of the next one or `null`. @throws request_malformed */
export async function readUsers(
  services: Pick<Services, 'db'>,
  request: UserFilter & { readonly cursor: string | undefined; readonly limit: number },
): Promise<{ readonly users: readonly User[]; readonly nextCursor: string | null }> {
  const { cursor, ...page } = request;
  const users = await listUsers(services.db, { ...page, afterId: readIdCursor(cursor) });
  return { users, nextCursor: users.length === page.limit ? (users.at(-1)?.id ?? null) : null };
}

/** A user, given by id or e-mail address, with what they have. @throws not_found */
export async function readUser(
  services: Pick<Services, 'db'>,
  reference: string,
): Promise<User & UserHoldings> {
  const user = await requireUser(services.db, reference);
  return { ...user, ...(await findUserHoldings(services.db, user.id)) };
}

/**
 * Runs a change that may take away the last administrator who can sign in, and undoes it whole if it did. Such changes
 * happen one after the other. @throws last_admin, and what `change` throws
 */
export async function keepingAdministrator<T>(
  services: Pick<Services, 'db'>,
  change: (tx: Executor) => Promise<T>,
): Promise<T> {
  return await services.db.transaction(async (tx) => {
    await lockAdministrators(tx);
    const result = await change(tx);
    if (await hasActiveAdmin(tx)) return result;
    throw domainError(
      'last_admin',
      'Nobody could administer the service after this; make another administrator first.',
    );
  });
}

async function requirePolicy(tx: Executor, name: string | undefined): Promise<void> {
  if (name === undefined || (await holdPolicy(tx, name))) return;
  const detail = 'There is no such policy.';
  throw domainError('request_malformed', detail, { errors: [{ pointer: '/policy', detail }] });
}

/**
 * Switches a user on or off, or gives them another role. With a user who is switched off their keypairs and tokens stop, and
 * their sessions end; keypairs and tokens come back with them.
 * Another policy holds for what they make from then on.
 * @throws not_found, last_admin; request_malformed when there is no such policy
 */
export async function changeUser(
  services: Pick<Services, 'db'>,
  request: {
    readonly operator: Operator;
    readonly reference: string;
    readonly isActive: boolean | undefined;
    readonly role: User['role'] | undefined;
    readonly policy?: string | undefined;
  },
): Promise<User & UserHoldings> {
  const { operator, reference, ...change } = request;
  return await keepingAdministrator(services, async (tx) => {
    await requirePolicy(tx, change.policy);
    // Changes happen one after the other here, so that each knows what it changed.
    const { id, isActive, role, policy } = await requireUser(tx, reference);
    const user = await updateUser(tx, id, change);
    if (user === null) throw userNotFound();
    if (!user.isActive) await deleteUserSessions(tx, user.id);
    const details = { ...change, before: beforeOf({ isActive, role, policy }, change) };
    await insertAudit(tx, { ...operator, action: 'user.change', subject: user.id, details });
    return { ...user, ...(await findUserHoldings(tx, user.id)) };
  });
}
