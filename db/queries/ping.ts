import type { Executor } from '../client.ts';

/** Resolves when the database answers a statement. Readiness checks use it; give it a deadline. */
export async function pingDatabase(db: Executor): Promise<void> {
  await db.execute('SELECT 1');
}
