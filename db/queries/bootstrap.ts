import { and, eq, sql } from 'drizzle-orm';
import { uuidv7 } from 'uuidv7';
import type { Executor } from '../client.ts';
import { keypairs } from '../schema/keypairs.ts';
import { users } from '../schema/users.ts';

/** The keypair the first administrator comes with; the secret sealed. */
export interface AdminKeypair {
  readonly email: string;
  readonly accessKey: string;
  readonly secretSealed: Buffer;
}

/**
 * Makes sure that the user with that address (whatever its case) exists, is active and an administrator, and that the
 * keypair is theirs, active and has this secret. Run it in a transaction; safe to run at every start and concurrently.
 */
export async function upsertAdmin(tx: Executor, admin: AdminKeypair): Promise<void> {
  await tx.insert(users).values({ id: uuidv7(), email: admin.email, role: 'admin' }).onConflictDoNothing();
  const [user] = await tx
    .update(users)
    .set({ role: 'admin', isActive: true })
    .where(eq(sql`lower(${users.email})`, sql`lower(${admin.email})`))
    .returning({ id: users.id });
  if (user === undefined) throw new Error('A user that was just inserted is missing.');
  const keypair = { userId: user.id, secretSealed: admin.secretSealed, isActive: true };
  await tx
    .insert(keypairs)
    .values({ accessKey: admin.accessKey, ...keypair })
    .onConflictDoUpdate({ target: keypairs.accessKey, set: keypair });
}

/** Tells whether anybody can act as an administrator already. */
export async function hasActiveAdmin(db: Executor): Promise<boolean> {
  const rows = await db
    .select({ accessKey: keypairs.accessKey })
    .from(keypairs)
    .innerJoin(users, eq(users.id, keypairs.userId))
    .where(and(eq(users.role, 'admin'), users.isActive, keypairs.isActive))
    .limit(1);
  return rows.length > 0;
}
