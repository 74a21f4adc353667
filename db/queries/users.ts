import { and, asc, eq, gt, sql } from 'drizzle-orm';
import { parseId } from '../../domain/ids.ts';
import type { Executor } from '../client.ts';
import { users } from '../schema/users.ts';

/** A user as administrators see them. */
export interface User {
  readonly id: string;
  readonly email: string;
  readonly role: 'user' | 'admin';
  readonly isActive: boolean;
  /** The name of the policy whose limits hold for what they own. */
  readonly policy: string;
  readonly createdAt: Date;
}

/** What a user has: live folders and their content, keypairs and tokens that can be used. */
export interface UserHoldings {
  readonly folders: number;
  readonly usedBytes: number;
  readonly usedFiles: number;
  readonly keypairs: number;
  readonly tokens: number;
}

/** Which users are meant; `undefined` leaves a condition out. `text` is a part of the address, in any case. */
export interface UserFilter {
  readonly isActive: boolean | undefined;
  readonly role: 'user' | 'admin' | undefined;
  readonly text: string | undefined;
}

const columns = {
  id: users.id,
  email: users.email,
  role: users.role,
  isActive: users.isActive,
  policy: users.policyName,
  createdAt: users.createdAt,
};

/** A user to be stored under the default policy. The address is kept as given and compared without case. */
export interface NewUser {
  readonly id: string;
  readonly email: string;
  readonly role: 'user' | 'admin';
}

/** Inserts a user. @returns `null` when the e-mail address is taken, in whatever case; nothing changes then */
export async function insertUser(db: Executor, user: NewUser): Promise<User | null> {
  const [row] = await db
    .insert(users)
    .values({ ...user })
    .onConflictDoNothing()
    .returning(columns);
  return row ?? null;
}

/** The user with that id, or `null`. */
async function findUser(db: Executor, userId: string): Promise<User | null> {
  const [row] = await db.select(columns).from(users).where(eq(users.id, userId));
  return row ?? null;
}

/** The user with that e-mail address, whatever its case, or `null`. Uses `users_email_key`. */
async function findUserByEmail(db: Executor, email: string): Promise<User | null> {
  const [row] = await db
    .select(columns)
    .from(users)
    .where(eq(sql`lower(${users.email})`, sql`lower(${email})`));
  return row ?? null;
}

/** The user whom a caller means by an id (hex or dashed) or an e-mail address in any case, or `null`. */
export async function findUserByReference(db: Executor, reference: string): Promise<User | null> {
  const id = parseId(reference);
  if (id !== undefined) return findUser(db, id);
  // Postgres refuses NUL in text; no address contains one.
  return reference.includes('\0') ? null : findUserByEmail(db, reference);
}

/** Up to `limit` users with an id above `afterId`, by id; pages by key. */
export async function listUsers(
  db: Executor,
  page: UserFilter & { readonly afterId: string | undefined; readonly limit: number },
): Promise<readonly User[]> {
  const { afterId, role, isActive, text } = page;
  return db
    .select(columns)
    .from(users)
    .where(
      and(
        afterId === undefined ? undefined : gt(users.id, afterId),
        role === undefined ? undefined : eq(users.role, role),
        isActive === undefined ? undefined : eq(users.isActive, isActive),
        text === undefined ? undefined : sql`position(lower(${text}) IN lower(${users.email})) > 0`,
      ),
    )
    .orderBy(asc(users.id))
    .limit(page.limit);
}

/** What a user has at the moment. */
export async function findUserHoldings(db: Executor, userId: string): Promise<UserHoldings> {
  const [row] = await db.execute<Record<keyof UserHoldings, string | number>>(sql`
    SELECT count(*) AS "folders", coalesce(sum(used_bytes), 0) AS "usedBytes",
      coalesce(sum(used_files), 0) AS "usedFiles",
      (SELECT count(*) FROM keypairs WHERE user_id = ${userId} AND is_active) AS "keypairs",
      (SELECT count(*) FROM api_tokens WHERE user_id = ${userId} AND expires_at > now()) AS "tokens"
    FROM folders WHERE owner_id = ${userId} AND state IN ('active', 'cloning')`);
  return {
    folders: Number(row?.folders ?? 0),
    usedBytes: Number(row?.usedBytes ?? 0),
    usedFiles: Number(row?.usedFiles ?? 0),
    keypairs: Number(row?.keypairs ?? 0),
    tokens: Number(row?.tokens ?? 0),
  };
}

/** Whether a user exists and is switched on. */
export async function isUserActive(db: Executor, userId: string): Promise<boolean> {
  const rows = await db
    .select({ id: users.id })
    .from(users)
    .where(and(eq(users.id, userId), users.isActive));
  return rows.length === 1;
}

/**
 * Locks every administrator until the transaction ends: of changes that take an administrator away each sees what the one
 * before it left. Before any other lock of the transaction.
 */
export async function lockAdministrators(tx: Executor): Promise<void> {
  await tx
    .select({ id: users.id })
    .from(users)
    .where(eq(users.role, 'admin'))
    .orderBy(asc(users.id))
    .for('no key update');
}

/** Changes a user; what is left out stays. @returns the user as they are then, `null` when there is none */
export async function updateUser(
  tx: Executor,
  userId: string,
  change: {
    readonly isActive?: boolean | undefined;
    readonly role?: 'user' | 'admin' | undefined;
    readonly policy?: string | undefined;
  },
): Promise<User | null> {
  const { isActive, role, policy } = change;
  const [row] = await tx
    .update(users)
    .set({
      isActive: isActive ?? sql`${users.isActive}`,
      role: role ?? sql`${users.role}`,
      policyName: policy ?? sql`${users.policyName}`,
    })
    .where(eq(users.id, userId))
    .returning(columns);
  return row ?? null;
}
