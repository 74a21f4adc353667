import { sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';

/** Rows a folder may have beyond the files it holds, before the oldest go. */
const spareRows = 100;

/** What names a state of a file, as in `EntryStat`. */
export interface FileState {
  readonly inode: string;
  readonly version: string;
}

/**
 * The CRC-32 of those files that are as they were when it was noted, by version. One look-up by primary key per file, in
 * one statement.
 */
export async function listFileCrcs(
  db: Executor,
  query: { readonly folderId: string; readonly files: readonly FileState[] },
): Promise<Map<string, number>> {
  const inodes = JSON.stringify(query.files.map(({ inode }) => inode));
  const rows = await db.execute<{ version: string; crc32: string }>(sql`
    SELECT version, crc32 FROM file_digests
    WHERE folder_id = ${query.folderId}
      AND inode = ANY(ARRAY(SELECT jsonb_array_elements_text(${inodes}::jsonb)))`);
  return new Map(rows.map(({ version, crc32 }) => [version, Number(crc32)]));
}

/** Forgets what was noted of some files. Missing is fine. */
export async function deleteFileDigests(
  db: Executor,
  query: { readonly folderId: string; readonly inodes: readonly string[] },
): Promise<void> {
  await db.execute(sql`
    DELETE FROM file_digests
    WHERE folder_id = ${query.folderId}
      AND inode = ANY(ARRAY(SELECT jsonb_array_elements_text(${JSON.stringify(query.inodes)}::jsonb)))`);
}

/**
 * Forgets the oldest notes of a folder that has clearly more of them than files: as many must be of files that are gone.
 * Which ones they are nobody knows; a live one among them only makes the next download of it a stream.
 */
export async function trimFileDigests(
  db: Executor,
  query: { readonly folderId: string; readonly files: number },
): Promise<void> {
  await db.execute(sql`
    DELETE FROM file_digests
    WHERE folder_id = ${query.folderId} AND inode IN (
      SELECT inode FROM file_digests WHERE folder_id = ${query.folderId}
      ORDER BY noted_at DESC, inode OFFSET ${query.files + spareRows}
    )`);
}
