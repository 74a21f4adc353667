import { lt, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { seenSignatures } from '../schema/seen-signatures.ts';

/** Notes a signature. @returns false when any process has seen it before */
export async function noteSignature(
  db: Executor,
  seen: { readonly accessKey: string; readonly signature: string },
): Promise<boolean> {
  const rows = await db
    .insert(seenSignatures)
    .values({ ...seen })
    .onConflictDoNothing()
    .returning({ signature: seenSignatures.signature });
  return rows.length === 1;
}

/** Forgets signatures seen longer ago than `olderThanMinutes`; their dates must be refused by then. */
export async function deleteSeenSignatures(db: Executor, olderThanMinutes: number): Promise<number> {
  const gone = await db
    .delete(seenSignatures)
    .where(lt(seenSignatures.seenAt, sql`now() - make_interval(mins => ${olderThanMinutes})`));
  return gone.count;
}
