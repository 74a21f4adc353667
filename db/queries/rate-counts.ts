import { lt, sql } from 'drizzle-orm';
import type { RateCounts } from '../../domain/rate-window.ts';
import type { Executor } from '../client.ts';
import { rateCounts } from '../schema/rate-counts.ts';

/** Requests that one process counted. */
export interface RateAddition {
  readonly key: string;
  /** Number of the span of 900 s since 1970. */
  readonly span: number;
  readonly count: number;
}

/** What all processes counted so far. */
export interface RateTotal extends RateCounts {
  readonly key: string;
  readonly span: number;
}

/** Adds counts and answers the totals, in one statement. Each key and span once; sorted, so that two of these never deadlock. */
export async function addRateCounts(db: Executor, additions: readonly RateAddition[]): Promise<RateTotal[]> {
  const rows = await db.execute<{ key: string; span: number; current: string; previous: string }>(sql`
    WITH given AS (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(additions)}::text::jsonb)
        AS given(key text, span int, count bigint)
    ), added AS (
      INSERT INTO rate_counts (key, span, count) SELECT key, span, count FROM given ORDER BY key, span
      ON CONFLICT (key, span) DO UPDATE SET count = rate_counts.count + excluded.count
      RETURNING key, span, count
    )
    SELECT added.key, added.span, added.count AS current, coalesce(before.count, 0) AS previous
    FROM added LEFT JOIN rate_counts AS before ON before.key = added.key AND before.span = added.span - 1`);
  return rows.map((row) => ({ ...row, current: Number(row.current), previous: Number(row.previous) }));
}

/** Forgets counts of spans before `span`. */
export async function deleteRateCounts(db: Executor, span: number): Promise<number> {
  const gone = await db.delete(rateCounts).where(lt(rateCounts.span, span));
  return gone.count;
}
