import { sql } from 'drizzle-orm';
import type { ErrorCode } from '../../domain/errors.ts';
import type { Executor } from '../client.ts';
import type { FolderState } from '../schema/folders.ts';

/** What the database says of itself and of the work that waits. */
export interface DatabaseFacts {
  readonly version: string;
  readonly versionNumber: number;
  readonly encoding: string;
  readonly nowMs: number;
  readonly connections: number;
  readonly connectionsMax: number;
  /** Whether a commit is on disk when it is acknowledged. */
  readonly isDurable: boolean;
}

/** Reads them, O(connections). */
export async function readDatabaseFacts(db: Executor): Promise<DatabaseFacts> {
  const rows = await db.execute<
    Record<'version' | 'number' | 'encoding' | 'now' | 'used' | 'most' | 'sync', string>
  >(sql`
    SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number,
      current_setting('server_encoding') AS encoding,
      (extract(epoch FROM clock_timestamp()) * 1000)::text AS now,
      (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::text AS used,
      current_setting('max_connections') AS most, current_setting('fsync') AS sync`);
  const [row] = rows;
  if (row === undefined) throw new Error('A statement without a table has one row.');
  return {
    version: row.version,
    versionNumber: Number(row.number),
    encoding: row.encoding,
    nowMs: Number(row.now),
    connections: Number(row.used),
    connectionsMax: Number(row.most),
    isDurable: row.sync === 'on',
  };
}

/** How long the oldest job has been waiting to run, in seconds; 0 without one. Those of read-only volumes do not count. Index `jobs_due_idx`. */
export async function oldestWaitingSeconds(db: Executor): Promise<number> {
  const rows = await db.execute<{ seconds: number }>(sql`
    SELECT coalesce(max(extract(epoch FROM now() - created_at)), 0)::float8 AS seconds
    FROM jobs WHERE state = 'queued' AND next_dispatch_at <= now()
      AND volume <> ALL(ARRAY(SELECT name FROM volumes WHERE state = 'read_only'))`);
  return rows[0]?.seconds ?? 0;
}

/** How many jobs failed for one of these reasons in the last day. Index `jobs_finished_idx`. */
export async function countRecentFailures(db: Executor, codes: readonly ErrorCode[]): Promise<number> {
  const rows = await db.execute<{ failed: number }>(sql`
    SELECT count(*)::int AS failed FROM jobs
    WHERE finished_at > now() - interval '1 day' AND state = 'failed'
      AND error_code IN (SELECT jsonb_array_elements_text(${JSON.stringify(codes)}::jsonb))`);
  return rows[0]?.failed ?? 0;
}

/** Ids of the live folders of a volume, a page by key. */
export async function listFolderIds(
  db: Executor,
  query: { readonly volume: string; readonly after: string | null; readonly limit: number },
): Promise<string[]> {
  const after = query.after === null ? sql`` : sql`AND id > ${query.after}`;
  const rows = await db.execute<{ id: string }>(sql`
    SELECT id FROM folders WHERE volume = ${query.volume} AND state = 'active' ${after}
    ORDER BY id LIMIT ${query.limit}`);
  return rows.map(({ id }) => id);
}

/** How a folder stands: its state, and how often its tree changed. `null` without a row. */
export async function findFolderMark(
  db: Executor,
  folderId: string,
): Promise<{ readonly state: FolderState; readonly mutationSeq: number } | null> {
  const rows = await db.execute<{ state: FolderState; seq: string }>(sql`
    SELECT state, mutation_seq::text AS seq FROM folders WHERE id = ${folderId}`);
  const [row] = rows;
  return row === undefined ? null : { state: row.state, mutationSeq: Number(row.seq) };
}
