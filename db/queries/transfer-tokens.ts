import { and, eq, gt, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { transferTokens } from '../schema/transfer-tokens.ts';
import { users } from '../schema/users.ts';
import { statement } from '../statement.ts';

/** What a token is for. */
export type TransferVerb = 'upload' | 'download' | 'archive';

/** What a token lets its bearer do, on behalf of its user, for as long as that user may. */
export interface TransferToken {
  readonly verb: TransferVerb;
  readonly folderId: string;
  readonly userId: string;
  readonly paths: readonly string[];
  readonly isArchive: boolean;
  readonly fileName: string | null;
  readonly uploadId: string | null;
}

/** What the tokens of one user may come to. */
export interface TransferTokenLimits {
  readonly tokens: number;
  readonly bytes: number;
}

/** A token to keep, and what it counts for. */
export interface NewTransferToken extends TransferToken {
  /** SHA-256 (hex) of its text. */
  readonly tokenHash: string;
  readonly lifeSeconds: number;
  readonly keptBytes: number;
  readonly limits: TransferTokenLimits;
}

/** Parts of its life in which a token's end is noted: it counts for at most one of them longer than it is good. */
const spansPerLife = 12;
/** Rows that requests of one user at the same time are spread over. A connection runs one statement at a time. */
const stripes = 16;

/**
 * Keeps a token unless the user's others leave it no room. One statement, and what it reads of the others is a sum over a few
 * hundred rows at most (`transfer_token_counts_pkey`). Those that are given out at the same moment do not see each other, so
 * the limits are exceeded by no more than them.
 * @returns whether it is kept
 */
export async function insertTransferToken(db: Executor, token: NewTransferToken): Promise<boolean> {
  const { lifeSeconds, limits } = token;
  const rows = await db.execute(statement`
    WITH life AS (
      SELECT now() + make_interval(secs => ${lifeSeconds}::int) AS expires_at,
        make_interval(secs => ${Math.ceil(lifeSeconds / spansPerLife)}::int) AS span
    ), used AS (
      SELECT coalesce(sum(tokens), 0) AS tokens, coalesce(sum(bytes), 0) AS bytes
      FROM transfer_token_counts WHERE user_id = ${token.userId}::uuid AND good_until > now()
    ), counted AS (
      INSERT INTO transfer_token_counts AS counts (user_id, good_until, stripe, tokens, bytes)
      SELECT ${token.userId}::uuid, date_bin(span, expires_at, 'epoch') + span, pg_backend_pid() % ${stripes}::int,
        1, ${token.keptBytes}::bigint
      FROM life, used
      WHERE used.tokens < ${limits.tokens}::bigint AND used.bytes + ${token.keptBytes}::bigint <= ${limits.bytes}::bigint
      ON CONFLICT (user_id, good_until, stripe)
        DO UPDATE SET tokens = counts.tokens + 1, bytes = counts.bytes + excluded.bytes
      RETURNING 1
    )
    INSERT INTO transfer_tokens
      (token_hash, verb, folder_id, user_id, paths, is_archive, file_name, upload_id, expires_at)
    SELECT ${token.tokenHash}, ${token.verb}, ${token.folderId}::uuid, ${token.userId}::uuid,
      ${JSON.stringify(token.paths)}::text::jsonb, ${token.isArchive}::boolean, ${token.fileName}, ${token.uploadId}::uuid, expires_at
    FROM life, counted RETURNING token_hash`);
  return rows.length === 1;
}

/** Seconds until some of a user's tokens count no more, at least 1; `null` when none counts. */
export async function findTransferTokenRelief(db: Executor, userId: string): Promise<number | null> {
  const [row] = await db.execute<{ seconds: number | null }>(sql`
    SELECT ceil(extract(epoch FROM min(good_until) - now()))::int AS seconds
    FROM transfer_token_counts WHERE user_id = ${userId} AND good_until > now()`);
  return row?.seconds ?? null;
}

/** A token for `verb` that has not expired and whose user is switched on, else `null`. The right is for the caller to check. */
export async function findTransferToken(
  db: Executor,
  token: { readonly tokenHash: string; readonly verb: TransferVerb },
): Promise<TransferToken | null> {
  const rows = await db
    .select({
      verb: transferTokens.verb,
      folderId: transferTokens.folderId,
      userId: transferTokens.userId,
      paths: transferTokens.paths,
      isArchive: transferTokens.isArchive,
      fileName: transferTokens.fileName,
      uploadId: transferTokens.uploadId,
    })
    .from(transferTokens)
    .innerJoin(users, and(eq(users.id, transferTokens.userId), eq(users.isActive, true)))
    .where(
      and(
        eq(transferTokens.tokenHash, token.tokenHash),
        eq(transferTokens.verb, token.verb),
        gt(transferTokens.expiresAt, sql`now()`),
      ),
    );
  return rows[0] ?? null;
}

/** Forgets up to `limit` tokens that have expired. @returns how many */
export async function deleteExpiredTransferTokens(db: Executor, limit: number): Promise<number> {
  const rows = await db.execute(sql`
    DELETE FROM transfer_tokens WHERE token_hash IN (
      SELECT token_hash FROM transfer_tokens WHERE expires_at <= now() LIMIT ${limit}
    ) RETURNING token_hash`);
  return rows.length;
}

/** Forgets what was counted of tokens that have expired. @returns how many rows */
export async function deleteTransferTokenCounts(db: Executor, limit: number): Promise<number> {
  const gone = await db.execute(sql`
    DELETE FROM transfer_token_counts WHERE ctid = ANY(ARRAY(
      SELECT ctid FROM transfer_token_counts WHERE good_until <= now() LIMIT ${limit}
    ))`);
  return gone.count;
}
