import { asc, eq, gt, sql } from 'drizzle-orm';
import { parseId } from '../../domain/ids.ts';
import type { Executor } from '../client.ts';
import { users } from '../schema/users.ts';

/** A user as administrators see them. */
export interface User {
  readonly id: string;
  readonly email: string;
  readonly role: 'user' | 'admin';
  readonly isActive: boolean;
  readonly createdAt: Date;
}

const columns = {
  id: users.id,
  email: users.email,
  role: users.role,
  isActive: users.isActive,
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
  page: { readonly afterId: string | undefined; readonly limit: number },
): Promise<readonly User[]> {
  return db
    .select(columns)
    .from(users)
    .where(page.afterId === undefined ? undefined : gt(users.id, page.afterId))
    .orderBy(asc(users.id))
    .limit(page.limit);
}
