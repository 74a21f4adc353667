import { and, eq, isNull, lt, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { idempotencyKeys } from '../schema/idempotency-keys.ts';
import { statement } from '../statement.ts';

/** How long a process may be silent before its request counts as dead. */
const leaseSeconds = 30;
/** How long replies are kept. */
export const idempotencyHours = 24;

const leaseEnd = sql`now() + make_interval(secs => ${leaseSeconds})`;

/** One request under a key; `owner` is made anew for every request. */
export interface KeyClaim {
  readonly userId: string;
  readonly key: string;
  readonly owner: string;
}

/** A key that another request has, or had. */
export interface KnownKey {
  readonly fingerprint: string;
  /** Its process is alive. */
  readonly isRunning: boolean;
  readonly jobId: string | null;
  readonly status: number | null;
  readonly headers: Readonly<Record<string, string>> | null;
  readonly bodySealed: Buffer | null;
}

function isOwn({ userId, key, owner }: KeyClaim) {
  return and(
    eq(idempotencyKeys.userId, userId),
    eq(idempotencyKeys.key, key),
    eq(idempotencyKeys.owner, owner),
    isNull(idempotencyKeys.status),
  );
}

/**
 * Claims a key for a request, in one statement: a new one, one past its day, or one of the same request whose process
 * died before it had an effect. @returns false when another request has it
 */
export async function claimKey(
  db: Executor,
  { fingerprint, ...claim }: KeyClaim & { readonly fingerprint: string },
): Promise<boolean> {
  const rows = await db.execute(sql`
    INSERT INTO idempotency_keys AS held (user_id, key, fingerprint, owner, lease_until)
    VALUES (${claim.userId}, ${claim.key}, ${fingerprint}, ${claim.owner}, ${leaseEnd})
    ON CONFLICT (user_id, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, owner = excluded.owner, lease_until = excluded.lease_until,
      job_id = NULL, status = NULL, headers = NULL, body_sealed = NULL, created_at = now()
    WHERE held.created_at < now() - make_interval(hours => ${idempotencyHours})
      OR (held.status IS NULL AND held.job_id IS NULL AND held.lease_until <= now()
        AND held.fingerprint = excluded.fingerprint)
    RETURNING key`);
  return rows.length === 1;
}

/** What is known of a key; `null` when it was given up meanwhile. */
export async function findKey(
  db: Executor,
  { userId, key }: Pick<KeyClaim, 'userId' | 'key'>,
): Promise<KnownKey | null> {
  const rows = await db
    .select({
      fingerprint: idempotencyKeys.fingerprint,
      isRunning: sql<boolean>`status IS NULL AND lease_until > now()`,
      jobId: idempotencyKeys.jobId,
      status: idempotencyKeys.status,
      headers: idempotencyKeys.headers,
      bodySealed: idempotencyKeys.bodySealed,
    })
    .from(idempotencyKeys)
    .where(and(eq(idempotencyKeys.userId, userId), eq(idempotencyKeys.key, key)));
  return rows[0] ?? null;
}

/** Says that the request still runs. */
export async function renewKey(db: Executor, claim: KeyClaim): Promise<void> {
  await db.update(idempotencyKeys).set({ leaseUntil: leaseEnd }).where(isOwn(claim));
}

/** A request under a key, and the job that it makes. */
export interface KeyJob {
  readonly claim: KeyClaim;
  readonly jobId: string;
}

/**
 * Notes the jobs that requests make; belongs into the transaction of the jobs, so that after a crash either both are there or
 * neither is. @returns false when another request took one of the keys over: the transaction must fail then
 */
export async function bindKeyJobs(tx: Executor, bound: readonly KeyJob[]): Promise<boolean> {
  if (bound.length === 0) return true;
  const given = bound.map(({ claim, jobId }) => ({ ...claim, jobId }));
  const rows = await tx.execute(statement`
    UPDATE idempotency_keys SET job_id = given."jobId"
    FROM jsonb_to_recordset(${JSON.stringify(given)}::jsonb) AS given("userId" uuid, key text, owner uuid, "jobId" uuid)
    WHERE user_id = given."userId" AND idempotency_keys.key = given.key AND idempotency_keys.owner = given.owner
      AND status IS NULL
    RETURNING idempotency_keys.key`);
  return rows.length === bound.length;
}

/** Keeps the reply of a request; a second one for the same key changes nothing. */
export async function finishKey(
  db: Executor,
  claim: Pick<KeyClaim, 'userId' | 'key'> & { readonly fingerprint: string },
  reply: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly bodySealed: Buffer;
  },
): Promise<void> {
  await db
    .update(idempotencyKeys)
    .set({ ...reply })
    .where(
      and(
        eq(idempotencyKeys.userId, claim.userId),
        eq(idempotencyKeys.key, claim.key),
        eq(idempotencyKeys.fingerprint, claim.fingerprint),
        isNull(idempotencyKeys.status),
      ),
    );
}

/** Gives a key up after a refusal: it is free again, unless a job was made; then the next request finds that at once. */
export async function abandonKey(db: Executor, claim: KeyClaim): Promise<void> {
  await db.delete(idempotencyKeys).where(and(isOwn(claim), isNull(idempotencyKeys.jobId)));
  await db.update(idempotencyKeys).set({ leaseUntil: sql`now()` }).where(isOwn(claim));
}

/** Forgets keys past their day. */
export async function deleteOldKeys(db: Executor): Promise<number> {
  const gone = await db
    .delete(idempotencyKeys)
    .where(lt(idempotencyKeys.createdAt, sql`now() - make_interval(hours => ${idempotencyHours})`));
  return gone.count;
}
