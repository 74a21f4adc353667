import { and, asc, count, eq, gt, lt, sql } from 'drizzle-orm';
import type { TokenScope } from '../../domain/api-token.ts';
import type { Executor } from '../client.ts';
import { apiTokens } from '../schema/api-tokens.ts';
import { policies } from '../schema/policies.ts';
import { users } from '../schema/users.ts';

/** A token as its user may see it. */
export interface TokenRecord {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly TokenScope[];
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** To the minute. */
  readonly lastUsedAt: Date | null;
}

/** A token with its user, as authentication needs them. */
export interface TokenCredential {
  readonly id: string;
  readonly scopes: readonly TokenScope[];
  readonly userId: string;
  readonly email: string;
  /** Requests in any 900 s by the policy of the user; `null` is what the service is set to. */
  readonly requestsMax: number | null;
  /** Not noted as used for a minute or more. */
  readonly isUseUnnoted: boolean;
}

const record = {
  id: apiTokens.id,
  name: apiTokens.name,
  scopes: apiTokens.scopes,
  createdAt: apiTokens.createdAt,
  expiresAt: apiTokens.expiresAt,
  lastUsedAt: apiTokens.lastUsedAt,
};

const isLive = gt(apiTokens.expiresAt, sql`now()`);

/** The unexpired token of an active user, by its digest, or `null`. */
export async function findToken(db: Executor, digest: string): Promise<TokenCredential | null> {
  const rows = await db
    .select({
      id: apiTokens.id,
      scopes: apiTokens.scopes,
      userId: users.id,
      email: users.email,
      requestsMax: policies.requestsMax,
      isUseUnnoted: sql<boolean>`coalesce(last_used_at < now() - interval '1 minute', true)`,
    })
    .from(apiTokens)
    .innerJoin(users, and(eq(users.id, apiTokens.userId), users.isActive))
    .innerJoin(policies, eq(policies.name, users.policyName))
    .where(and(eq(apiTokens.digest, digest), isLive));
  return rows[0] ?? null;
}

/** Notes that a token was used. */
export async function noteTokenUse(db: Executor, id: string): Promise<void> {
  await db.update(apiTokens).set({ lastUsedAt: sql`now()` }).where(eq(apiTokens.id, id));
}

/** How many unexpired tokens a user has, with the user's row locked until the transaction ends. */
export async function lockTokenCount(tx: Executor, userId: string): Promise<number> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('no key update');
  const [row] = await tx
    .select({ total: count() })
    .from(apiTokens)
    .where(and(eq(apiTokens.userId, userId), isLive));
  return row?.total ?? 0;
}

/** Inserts a token that is good for `expiresInSeconds`, and answers it. */
export async function insertToken(
  tx: Executor,
  token: {
    readonly id: string;
    readonly userId: string;
    readonly name: string;
    readonly digest: string;
    readonly scopes: readonly TokenScope[];
    readonly expiresInSeconds: number;
  },
): Promise<TokenRecord | null> {
  const { expiresInSeconds, ...values } = token;
  const expiresAt = sql`now() + make_interval(secs => ${expiresInSeconds})`;
  const rows = await tx
    .insert(apiTokens)
    .values({ ...values, expiresAt })
    .returning(record);
  return rows[0] ?? null;
}

/** A user's unexpired tokens, oldest first; there are few. */
export async function listTokens(db: Executor, userId: string): Promise<TokenRecord[]> {
  return await db
    .select(record)
    .from(apiTokens)
    .where(and(eq(apiTokens.userId, userId), isLive))
    .orderBy(asc(apiTokens.id));
}

/** Revokes a token of the user's own. @returns false when there is no such token */
export async function deleteToken(
  db: Executor,
  token: { readonly id: string; readonly userId: string },
): Promise<boolean> {
  const rows = await db
    .delete(apiTokens)
    .where(and(eq(apiTokens.id, token.id), eq(apiTokens.userId, token.userId)))
    .returning({ id: apiTokens.id });
  return rows.length === 1;
}

/** Forgets tokens that expired a day ago. */
export async function deleteExpiredTokens(db: Executor): Promise<number> {
  const gone = await db.delete(apiTokens).where(lt(apiTokens.expiresAt, sql`now() - interval '1 day'`));
  return gone.count;
}
