import { openSql } from '../../support/clone-database.ts';
import type { Ground } from './service.ts';

/**
 * Changes the limits of one folder as an operator does, in the database; `folderId` in hex or dashed. Limits left out
 * stay. Holds for the next request of every process.
 */
export async function setFolderLimits(
  ground: Pick<Ground, 'databaseUrl'>,
  folderId: string,
  limits: { readonly bytes?: number; readonly files?: number },
): Promise<void> {
  const sql = openSql(ground.databaseUrl);
  try {
    const rows = await sql`
      UPDATE folders
      SET quota_bytes = coalesce(${limits.bytes ?? null}::bigint, quota_bytes),
          quota_files = coalesce(${limits.files ?? null}::bigint, quota_files)
      WHERE id = ${folderId}::uuid
      RETURNING id`;
    if (rows.length !== 1) throw new Error(`There is no folder ${folderId}.`);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
