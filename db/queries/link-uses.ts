import { and, eq, gt, sql } from 'drizzle-orm';
import { linkGuesses, linkResumeHours } from '../../domain/link.ts';
import type { Executor } from '../client.ts';
import { linkReaders } from '../schema/link-readers.ts';
import { links } from '../schema/links.ts';

/** Somebody at an address who fetches a content by a link; `reader` and `content` are hashes. */
export interface LinkReader {
  readonly linkId: string;
  readonly reader: string;
  readonly content: string;
}

const resumable = sql`now() - make_interval(hours => ${linkResumeHours})`;

/**
 * Counts a use of a link. In one statement, which waits for others of the same link and then decides anew, so that no more
 * than `uses_max` are ever counted.
 * @returns `refused` when it has expired, is used up or is gone; `first` for the first use ever
 */
export async function countLinkUse(tx: Executor, linkId: string): Promise<'first' | 'counted' | 'refused'> {
  const [row] = await tx.execute<{ isFirst: boolean }>(sql`
    UPDATE links SET uses = uses + 1, last_used_at = now(), first_used_at = coalesce(first_used_at, now())
    WHERE id = ${linkId} AND expires_at > now() AND (uses_max IS NULL OR uses < uses_max)
    RETURNING first_used_at = now() AS "isFirst"`);
  if (row === undefined) return 'refused';
  return row.isFirst ? 'first' : 'counted';
}

/** Takes back one use that came to nothing. */
export async function uncountLinkUse(db: Executor, linkId: string): Promise<void> {
  await db
    .update(links)
    .set({ uses: sql`uses - 1` })
    .where(and(eq(links.id, linkId), gt(links.uses, 0)));
}

/**
 * Notes who begins to fetch a content; always before the use is counted, so that two of them never wait for each other in a ring.
 * Who fetches a part goes on with what they began in the last hours, if they did; who fetches the whole begins anew.
 * @returns whether it is a beginning; of several parts at the same time one is
 */
export async function noteLinkReader(
  tx: Executor,
  { isPart, ...reader }: LinkReader & { readonly isPart: boolean },
): Promise<boolean> {
  const rows = await tx
    .insert(linkReaders)
    .values(reader)
    .onConflictDoUpdate({
      target: [linkReaders.linkId, linkReaders.reader, linkReaders.content],
      set: { beganAt: sql`now()` },
      ...(isPart ? { setWhere: sql`${linkReaders.beganAt} <= ${resumable}` } : {}),
    })
    .returning({ linkId: linkReaders.linkId });
  return rows.length === 1;
}

/** Whether somebody at that address began to fetch anything by a link in the last hours. */
export async function hasLinkReader(
  db: Executor,
  { linkId, reader }: Omit<LinkReader, 'content'>,
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
