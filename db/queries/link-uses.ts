import { and, eq, gt, type SQL, sql } from 'drizzle-orm';
import { linkGuesses, linkResumeHours } from '../../domain/link.ts';
import type { Executor } from '../client.ts';
import { linkReaders } from '../schema/link-readers.ts';
import { links } from '../schema/links.ts';

/** Somebody at an address who fetches a content; both are hashes. */
export interface ReaderOfLink {
  readonly reader: string;
  readonly content: string;
}

/** How many uses of a link may still begin; `usesLeft` is `null` where there is no limit. */
export interface LinkRoom {
  readonly usesLeft: number | null;
  /** It has never been used. */
  readonly isUnused: boolean;
}

const resumable = sql`now() - make_interval(hours => ${linkResumeHours})`;

/**
 * Locks a link until the transaction ends and tells what may still begin; always before its readers are looked at, so that what
 * others noted of them is seen, and nobody waits in a ring. @returns `null` when it has expired or is gone
 */
export async function lockLinkUses(tx: Executor, linkId: string): Promise<LinkRoom | null> {
  const [row] = await tx.execute<{ usesLeft: number | null; isUnused: boolean }>(sql`
    SELECT uses_max - uses AS "usesLeft", first_used_at IS NULL AS "isUnused"
    FROM links WHERE id = ${linkId} AND expires_at > now() FOR NO KEY UPDATE`);
  return row === undefined ? null : { usesLeft: row.usesLeft, isUnused: row.isUnused };
}

/** Which of these began to fetch their content by a link in the last hours. */
export async function listLinkReaders(
  db: Executor,
  linkId: string,
  readers: readonly ReaderOfLink[],
): Promise<readonly ReaderOfLink[]> {
  const rows = await db.execute<{ reader: string; content: string }>(sql`
    SELECT reader, content FROM link_readers
    WHERE link_id = ${linkId} AND began_at > ${resumable}
      AND (reader, content) IN (${pairsOf(readers)})`);
  return rows.map(({ reader, content }) => ({ reader, content }));
}

function pairsOf(readers: readonly ReaderOfLink[]): SQL {
  const given = readers.map(({ reader, content }) => ({ reader, content }));
  return sql`SELECT r.reader, r.content
    FROM jsonb_to_recordset(${JSON.stringify(given)}::text::jsonb) AS r(reader text, content text)`;
}

/** Counts uses of a link that the caller has locked, and notes who begins to fetch what; `readers` are different ones. */
export async function noteLinkUses(
  tx: Executor,
  begun: { readonly linkId: string; readonly uses: number; readonly readers: readonly ReaderOfLink[] },
): Promise<void> {
  const { linkId, uses, readers } = begun;
  await tx.execute(sql`
    WITH noted AS (
      INSERT INTO link_readers (link_id, reader, content)
      SELECT ${linkId}::uuid, n.reader, n.content FROM (${pairsOf(readers)}) AS n
      ON CONFLICT (link_id, reader, content) DO UPDATE SET began_at = now()
    )
    UPDATE links SET uses = uses + ${uses}::int, last_used_at = now(), first_used_at = coalesce(first_used_at, now())
    WHERE id = ${linkId}`);
}

/** Takes back one use that came to nothing. */
export async function uncountLinkUse(db: Executor, linkId: string): Promise<void> {
  await db
    .update(links)
    .set({ uses: sql`uses - 1` })
    .where(and(eq(links.id, linkId), gt(links.uses, 0)));
}

/** Whether somebody at that address began to fetch anything by a link in the last hours. */
export async function hasLinkReader(
  db: Executor,
  { linkId, reader }: { readonly linkId: string; readonly reader: string },
): Promise<boolean> {
  const rows = await db
    .select({ linkId: linkReaders.linkId })
    .from(linkReaders)
    .where(
      and(eq(linkReaders.linkId, linkId), eq(linkReaders.reader, reader), gt(linkReaders.beganAt, resumable)),
    )
    .limit(1);
  return rows.length === 1;
}

/** Forgets up to `limit` readers who began too long ago to go on. @returns how many */
export async function deleteOldLinkReaders(db: Executor, limit: number): Promise<number> {
  const gone = await db.execute(sql`
    DELETE FROM link_readers WHERE ctid = ANY(ARRAY(
      SELECT ctid FROM link_readers WHERE began_at <= ${resumable} LIMIT ${limit}
    ))`);
  return gone.count;
}

/**
 * Takes one of the guesses that the password of a link has in a window, before the password is looked at: however many come
 * at the same time, no more are looked at.
 * @returns `null` when there was one, else the seconds until there are some again
 */
export async function takeLinkGuess(db: Executor, linkId: string): Promise<number | null> {
  const { max, windowSeconds } = linkGuesses;
  const window = sql`make_interval(secs => ${windowSeconds}::int)`;
  const taken = await db.execute(sql`
    UPDATE links SET
      guesses = CASE WHEN guesses_since > now() - ${window} THEN guesses + 1 ELSE 1 END,
      guesses_since = CASE WHEN guesses_since > now() - ${window} THEN guesses_since ELSE now() END
    WHERE id = ${linkId} AND (guesses < ${max} OR guesses_since <= now() - ${window})
    RETURNING id`);
  if (taken.length === 1) return null;
  const [row] = await db.execute<{ seconds: number | null }>(sql`
    SELECT ceil(extract(epoch FROM guesses_since + ${window} - now()))::int AS seconds FROM links WHERE id = ${linkId}`);
  return Math.max(1, row?.seconds ?? 1);
}

/** Gives a guess back that was right. */
export async function giveBackLinkGuess(db: Executor, linkId: string): Promise<void> {
  await db
    .update(links)
    .set({ guesses: sql`guesses - 1` })
    .where(and(eq(links.id, linkId), gt(links.guesses, 0)));
}
