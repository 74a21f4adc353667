import { asc, eq, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { policies } from '../schema/policies.ts';

/** Limits of a policy; `undefined` leaves one as it is. */
export interface PolicyLimits {
  readonly foldersMax: number | undefined;
  readonly folderBytesMax: number | undefined;
  readonly folderFilesMax: number | undefined;
  /** `null` sets it back to that of the service. */
  readonly requestsMax?: number | null | undefined;
  /** `null` allows all. */
  readonly volumes?: readonly string[] | null | undefined;
}

/** Gives the policy `default` these limits. Folders that exist keep theirs. */
export async function updateDefaultPolicy(db: Executor, limits: PolicyLimits): Promise<void> {
  const given = Object.entries(limits).filter(([, limit]) => limit !== undefined);
  if (given.length === 0) return;
  await db.update(policies).set(Object.fromEntries(given)).where(eq(policies.name, 'default'));
}

/** Limits under a name, with how many users they hold for. */
export interface Policy {
  readonly name: string;
  readonly foldersMax: number;
  readonly folderBytesMax: number;
  readonly folderFilesMax: number;
  /** `null`: that of the service. */
  readonly requestsMax: number | null;
  /** `null`: all. */
  readonly volumes: readonly string[] | null;
  readonly users: number;
}

const columns = {
  name: policies.name,
  foldersMax: policies.foldersMax,
  folderBytesMax: policies.folderBytesMax,
  folderFilesMax: policies.folderFilesMax,
  requestsMax: policies.requestsMax,
  volumes: policies.volumes,
  users: sql<number>`(SELECT count(*)::int FROM users WHERE users.policy_name = ${policies.name})`,
};

/** All policies by name; there are few. */
export async function listPolicies(db: Executor): Promise<Policy[]> {
  return await db.select(columns).from(policies).orderBy(asc(policies.name));
}

/** The policy with that name, or `null`. */
export async function findPolicy(db: Executor, name: string): Promise<Policy | null> {
  const [row] = await db.select(columns).from(policies).where(eq(policies.name, name));
  return row ?? null;
}

/** Makes a policy; limits that are `undefined` are the usual ones. @returns false when the name is taken */
export async function insertPolicy(
  db: Executor,
  { volumes, ...policy }: PolicyLimits & { readonly name: string },
): Promise<boolean> {
  const rows = await db
    .insert(policies)
    .values({ ...policy, volumes: volumes ? [...volumes] : null })
    .onConflictDoNothing()
    .returning({ name: policies.name });
  return rows.length === 1;
}

/** Changes limits of a policy; `undefined` leaves one as it is. Folders that exist keep theirs. */
export async function updatePolicy(db: Executor, name: string, limits: PolicyLimits): Promise<void> {
  await db
    .update(policies)
    .set({
      foldersMax: limits.foldersMax ?? sql`${policies.foldersMax}`,
      folderBytesMax: limits.folderBytesMax ?? sql`${policies.folderBytesMax}`,
      folderFilesMax: limits.folderFilesMax ?? sql`${policies.folderFilesMax}`,
      // A column that is `undefined` is not touched.
      requestsMax: limits.requestsMax,
      volumes: limits.volumes ? [...limits.volumes] : limits.volumes,
    })
    .where(eq(policies.name, name));
}

/** Locks a policy until the transaction ends, against others who give it to a user. @returns whether it exists */
export async function lockPolicy(tx: Executor, name: string): Promise<boolean> {
  const rows = await tx
    .select({ name: policies.name })
    .from(policies)
    .where(eq(policies.name, name))
    .for('update');
  return rows.length === 1;
}

/** Keeps a policy from being removed until the transaction ends. @returns whether it exists */
export async function holdPolicy(tx: Executor, name: string): Promise<boolean> {
  const rows = await tx
    .select({ name: policies.name })
    .from(policies)
    .where(eq(policies.name, name))
    .for('key share');
  return rows.length === 1;
}

/** Removes a locked policy that no user has. */
export async function deletePolicy(tx: Executor, name: string): Promise<void> {
  await tx.delete(policies).where(eq(policies.name, name));
}
