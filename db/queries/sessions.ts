import { and, eq, gt, inArray, lt, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { keypairs } from '../schema/keypairs.ts';
import { policies } from '../schema/policies.ts';
import { sessions } from '../schema/sessions.ts';
import { users } from '../schema/users.ts';
import type { Credential } from './keypairs.ts';

/** Who a session acts for. */
export type SessionPrincipal = Pick<Credential, 'accessKey' | 'userId' | 'email' | 'role' | 'requestsMax'>;

/** Records that a browser signed in. */
export async function insertSession(
  db: Executor,
  session: { readonly tokenHash: string; readonly accessKey: string; readonly hours: number },
): Promise<void> {
  const { tokenHash, accessKey, hours } = session;
  const expiresAt = sql`now() + make_interval(hours => ${hours})`;
  await db.insert(sessions).values({ tokenHash, accessKey, expiresAt });
}

/** Who a session that has not expired acts for, if its keypair and user are active; by primary keys. */
export async function findSession(db: Executor, tokenHash: string): Promise<SessionPrincipal | null> {
  const [row] = await db
    .select({
      accessKey: keypairs.accessKey,
      userId: users.id,
      email: users.email,
      role: users.role,
      requestsMax: policies.requestsMax,
    })
    .from(sessions)
    .innerJoin(keypairs, eq(keypairs.accessKey, sessions.accessKey))
    .innerJoin(users, eq(users.id, keypairs.userId))
    .innerJoin(policies, eq(policies.name, users.policyName))
    .where(
      and(
        eq(sessions.tokenHash, tokenHash),
        gt(sessions.expiresAt, sql`now()`),
        eq(keypairs.isActive, true),
        eq(users.isActive, true),
      ),
    );
  return row ?? null;
}

/** Ends a session; a no-op for an unknown one. */
export async function deleteSession(db: Executor, tokenHash: string): Promise<void> {
  await db.delete(sessions).where(eq(sessions.tokenHash, tokenHash));
}

/** Forgets sessions that have expired; uses `sessions_expires_idx`. */
export async function deleteExpiredSessions(db: Executor): Promise<void> {
  await db.delete(sessions).where(lt(sessions.expiresAt, sql`now()`));
}

/** Ends the sessions that were made with a keypair. */
export async function deleteKeypairSessions(db: Executor, accessKey: string): Promise<void> {
  await db.delete(sessions).where(eq(sessions.accessKey, accessKey));
}

/** Ends all sessions of a user. */
export async function deleteUserSessions(db: Executor, userId: string): Promise<void> {
  const own = db.select({ accessKey: keypairs.accessKey }).from(keypairs).where(eq(keypairs.userId, userId));
  await db.delete(sessions).where(inArray(sessions.accessKey, own));
}
