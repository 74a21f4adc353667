import { sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';

/** An entry that was given another name inside its folder, or is just being given one. Both are entry paths. */
export interface NotedMove {
  readonly from: string;
  readonly to: string;
}

/** Moves, and the database's time before they were read. */
export interface NotedMoves {
  readonly moves: readonly NotedMove[];
  readonly asOf: string;
}

/** The database's time, to the microsecond, for {@link listMovesSince}. */
export async function readMoment(db: Executor): Promise<string> {
  const rows = await db.execute<{ now: string }>(sql`SELECT statement_timestamp()::text AS now`);
  const [row] = rows;
  if (row === undefined) throw new Error('A statement without a table has one row.');
  return row.now;
}

/**
 * Every move of a folder whose rename may have happened since a moment: those that ended after it, however they ended, and those
 * that are decided and have not ended. A rename that is not among them happens after `asOf`, which is older than what was read.
 * Indexes `jobs_finished_idx` and `jobs_folder_open_idx`.
 */
export async function listMovesSince(
  db: Executor,
  { folderId, since }: { readonly folderId: string; readonly since: string },
): Promise<NotedMoves> {
  const rows = await db.execute<NotedMoves & Record<string, unknown>>(sql`
    SELECT statement_timestamp()::text AS "asOf",
      coalesce(jsonb_agg(jsonb_build_object('from', payload->>'from', 'to', place.name)), '[]') AS moves
    FROM jobs, coalesce(result->>'path', checkpoint->>'to') AS place(name)
    WHERE kind = 'entry.move' AND folder_id = ${folderId} AND place.name IS NOT NULL
      AND (finished_at >= ${since}::timestamptz OR state IN ('queued', 'running'))`);
  const [row] = rows;
  if (row === undefined) throw new Error('An aggregate has one row.');
  return { moves: row.moves, asOf: row.asOf };
}
