import type { Executor } from '../client.ts';
import { statement } from '../statement.ts';

/** Somebody, and what they came with: a keypair's access key, or `token:` and the id of a token. */
export interface Holder {
  readonly userId: string;
  readonly accessKey: string;
}

/** Whether somebody is active, and so is what they came with, as of now. By primary keys. */
export function isHolderActive(db: Executor, { userId, accessKey }: Holder): Promise<boolean> {
  return mayFollowJob(db, { jobId: null, userId, role: 'user', accessKey });
}

/** Somebody who follows a job, or all of their own (`jobId` null). */
export interface JobFollower {
  readonly jobId: string | null;
  readonly userId: string;
  /** As what they came; a user who is an administrator by now gains nothing. */
  readonly role: 'user' | 'admin';
  /** Of the keypair they came with, or `token:` and the id of a token. */
  readonly accessKey: string;
  /** The hash of the session they came with, if they came with one. */
  readonly session?: string | undefined;
}

/**
 * Whether somebody may still see a job, as of now: they are active and so is what they came with, their session included, and
 * the job is theirs, or they are an administrator still; their own jobs in any case. By primary keys.
 */
export async function mayFollowJob(db: Executor, follower: JobFollower): Promise<boolean> {
  const { jobId, userId, role, accessKey, session = null } = follower;
  const tokenId = accessKey.startsWith('token:') ? accessKey.slice('token:'.length) : null;
  const rows = await db.execute(statement`
    SELECT 1 FROM users LEFT JOIN jobs ON jobs.id = ${jobId}::uuid
    WHERE users.id = ${userId} AND users.is_active
      AND (${jobId}::uuid IS NULL OR jobs.actor_id = users.id
        OR (jobs.id IS NOT NULL AND ${role} = 'admin' AND users.role = 'admin'))
      AND CASE WHEN ${tokenId}::uuid IS NULL
        THEN EXISTS (SELECT 1 FROM keypairs WHERE access_key = ${accessKey} AND keypairs.is_active)
        ELSE EXISTS (SELECT 1 FROM api_tokens WHERE api_tokens.id = ${tokenId}::uuid AND expires_at > now()) END
      AND (${session}::text IS NULL
        OR EXISTS (SELECT 1 FROM sessions WHERE token_hash = ${session}::text AND expires_at > now()))`);
  return rows.length === 1;
}
