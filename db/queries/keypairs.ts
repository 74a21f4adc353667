import { eq } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { keypairs } from '../schema/keypairs.ts';
import { users } from '../schema/users.ts';

/** A keypair with its user, as authentication needs them. */
export interface Credential {
  readonly accessKey: string;
  readonly secretSealed: Buffer;
  /** Both the keypair and its user are switched on. */
  readonly isActive: boolean;
  readonly userId: string;
  readonly email: string;
  readonly role: 'user' | 'admin';
}

/** The keypair with its user in one statement by primary keys, or `null`. */
export async function findCredential(db: Executor, accessKey: string): Promise<Credential | null> {
  const [row] = await db
    .select({
      accessKey: keypairs.accessKey,
      secretSealed: keypairs.secretSealed,
      isKeypairActive: keypairs.isActive,
      isUserActive: users.isActive,
      userId: users.id,
      email: users.email,
      role: users.role,
    })
    .from(keypairs)
    .innerJoin(users, eq(users.id, keypairs.userId))
    .where(eq(keypairs.accessKey, accessKey));
  if (row === undefined) return null;
  const { isKeypairActive, isUserActive, ...credential } = row;
  return { ...credential, isActive: isKeypairActive && isUserActive };
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
