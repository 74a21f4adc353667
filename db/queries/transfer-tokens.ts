import { and, eq, gt, sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import { transferTokens } from '../schema/transfer-tokens.ts';
import { users } from '../schema/users.ts';

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

/** Keeps a token under the SHA-256 (hex) of its text. */
export async function insertTransferToken(
  db: Executor,
  tokenHash: string,
  token: TransferToken & { readonly lifeSeconds: number },
): Promise<void> {
  const { lifeSeconds, ...values } = token;
  const expiresAt = sql`now() + make_interval(secs => ${lifeSeconds})`;
  await db.insert(transferTokens).values({ tokenHash, ...values, expiresAt });
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
