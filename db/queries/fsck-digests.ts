import { sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import type { FileState } from './file-digests.ts';

/**
 * Notes which files a folder has, for {@link countStaleDigests}: on disk, in a table that only this session sees, so that
 * a folder of any size takes no memory. `db` must have one connection.
 */
export async function beginSeenFiles(db: Executor): Promise<void> {
  await db.execute(
    sql`CREATE TEMP TABLE IF NOT EXISTS seen_files (inode text NOT NULL, version text NOT NULL)`,
  );
  await db.execute(sql`TRUNCATE seen_files`);
}

/** Adds some. */
export async function addSeenFiles(db: Executor, files: readonly FileState[]): Promise<void> {
  await db.execute(sql`
    INSERT INTO seen_files
    SELECT inode, version FROM jsonb_to_recordset(${JSON.stringify(files)}::jsonb) AS f(inode text, version text)`);
}

function isStale(folderId: string) {
  return sql`folder_id = ${folderId} AND NOT EXISTS (
    SELECT FROM seen_files s WHERE s.inode = file_digests.inode AND s.version = file_digests.version)`;
}

/** How many checksums are noted of files that the folder did not have, or had in another state, among those seen. */
export async function countStaleDigests(db: Executor, folderId: string): Promise<number> {
  await db.execute(sql`ANALYZE seen_files`);
  const rows = await db.execute<{ n: number }>(
    sql`SELECT count(*)::int AS n FROM file_digests WHERE ${isStale(folderId)}`,
  );
  return rows[0]?.n ?? 0;
}

/** Forgets them. One that is of a file after all only makes its next download a stream. */
export async function deleteStaleDigests(db: Executor, folderId: string): Promise<void> {
  await db.execute(sql`DELETE FROM file_digests WHERE ${isStale(folderId)}`);
}
