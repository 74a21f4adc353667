import { and, asc, eq, gt, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { keypairs } from '../schema/keypairs.ts';
import { users } from '../schema/users.ts';
import { statement } from '../statement.ts';

/** A keypair with its user, as authentication needs them. */
export interface Credential {
  readonly accessKey: string;
  readonly secretSealed: Buffer;
  /** Both the keypair and its user are switched on. */
  readonly isActive: boolean;
  readonly userId: string;
  readonly email: string;
  readonly role: 'user' | 'admin';
  /** Requests in any 900 s by the policy of the user; `null` is what the service is set to. */
  readonly requestsMax: number | null;
}

/** The keypair with its user in one statement by primary keys, or `null`. */
export async function findCredential(db: Executor, accessKey: string): Promise<Credential | null> {
  const [row] = await db.execute<Credential & Record<string, unknown>>(statement`
    SELECT access_key AS "accessKey", secret_sealed AS "secretSealed", keypairs.is_active AND users.is_active AS "isActive",
      users.id AS "userId", email, role, requests_max AS "requestsMax"
    FROM keypairs JOIN users ON users.id = keypairs.user_id JOIN policies ON policies.name = users.policy_name
    WHERE access_key = ${accessKey}`);
  return row ?? null;
}

/** A keypair to be stored; the secret only ever sealed. */
export interface NewKeypair {
  readonly accessKey: string;
  readonly userId: string;
  readonly secretSealed: Buffer;
}

/** Inserts a keypair. @returns false when the access key exists already; nothing changes then */
export async function insertKeypair(db: Executor, keypair: NewKeypair): Promise<boolean> {
  const rows = await db
    .insert(keypairs)
    .values({ ...keypair })
    .onConflictDoNothing({ target: keypairs.accessKey })
    .returning({ accessKey: keypairs.accessKey });
  return rows.length === 1;
}

/** A keypair without its secret. */
export interface KeypairRecord {
  readonly accessKey: string;
  readonly userId: string;
  readonly email: string;
  /** Whether the keypair is switched on; its user may not be. */
  readonly isActive: boolean;
  readonly createdAt: Date;
}

const record = {
  accessKey: keypairs.accessKey,
  userId: keypairs.userId,
  email: users.email,
  isActive: keypairs.isActive,
  createdAt: keypairs.createdAt,
};

/** Up to `limit` keypairs above `afterKey`, by access key; pages by key. `undefined` leaves a condition out. */
export async function listKeypairs(
  db: Executor,
  page: {
    readonly userId: string | undefined;
    readonly isActive: boolean | undefined;
    readonly afterKey: string | undefined;
    readonly limit: number;
  },
): Promise<readonly KeypairRecord[]> {
  const { userId, isActive, afterKey } = page;
  return db
    .select(record)
    .from(keypairs)
    .innerJoin(users, eq(users.id, keypairs.userId))
    .where(
      and(
        userId === undefined ? undefined : eq(keypairs.userId, userId),
        isActive === undefined ? undefined : eq(keypairs.isActive, isActive),
        afterKey === undefined ? undefined : gt(keypairs.accessKey, afterKey),
      ),
    )
    .orderBy(asc(keypairs.accessKey))
    .limit(page.limit);
}

/** A keypair without its secret, of `userId` if one is given, or `null`. */
export async function findKeypair(
  db: Executor,
  keypair: { readonly accessKey: string; readonly userId?: string | undefined },
): Promise<KeypairRecord | null> {
  const { accessKey, userId } = keypair;
  const [row] = await db
    .select(record)
    .from(keypairs)
    .innerJoin(users, eq(users.id, keypairs.userId))
    .where(
      and(eq(keypairs.accessKey, accessKey), userId === undefined ? undefined : eq(keypairs.userId, userId)),
    );
  return row ?? null;
}

/** Switches a keypair on or off, or gives it another secret; what is left out stays. A no-op for an unknown one. */
export async function updateKeypair(
  tx: Executor,
  accessKey: string,
  change: { readonly isActive?: boolean; readonly secretSealed?: Buffer },
): Promise<void> {
  await tx
    .update(keypairs)
    .set({
      isActive: change.isActive ?? sql`${keypairs.isActive}`,
      secretSealed: change.secretSealed ?? sql`${keypairs.secretSealed}`,
    })
    .where(eq(keypairs.accessKey, accessKey));
}

/** Removes a keypair and the sessions made with it. A no-op for an unknown one. */
export async function deleteKeypair(tx: Executor, accessKey: string): Promise<void> {
  await tx.delete(keypairs).where(eq(keypairs.accessKey, accessKey));
}
