import { eq } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { policies } from '../schema/policies.ts';

/** Limits that an installation sets for everybody; `undefined` leaves one as it is. */
export interface PolicyLimits {
  readonly foldersMax: number | undefined;
  readonly folderBytesMax: number | undefined;
  readonly folderFilesMax: number | undefined;
}

/** Gives the policy `default` these limits. Folders that exist keep theirs. */
export async function updateDefaultPolicy(db: Executor, limits: PolicyLimits): Promise<void> {
  const given = Object.entries(limits).filter(([, limit]) => limit !== undefined);
  if (given.length === 0) return;
  await db.update(policies).set(Object.fromEntries(given)).where(eq(policies.name, 'default'));
}
