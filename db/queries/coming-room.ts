import { sql } from 'drizzle-orm';
import type { Executor } from '../client.ts';
import type { Reservation } from './uploads.ts';

/**
 * What stands between an upload and its room.
 * - `hopeless`: it would not fit although the trash that is being purged and all reservations of others were given back.
 * - `lapsed`: sessions whose time is over hold some of it; they only have to be ended.
 * - `coming`: a purge, or another upload that yields, is about to give some back.
 * - `held`: another upload holds some of it, and may or may not use it: it is on its way, or about to be committed.
 * - `none`: nothing that passes by itself.
 */
export type RoomOutlook = 'hopeless' | 'lapsed' | 'coming' | 'held' | 'none';

/**
 * Whether room for `amount` may come free. An upload yields when it is being aborted, or is younger: the younger always
 * yields, so that uploads that wait for each other do not all give up. A resumable one holds what it has until it expires.
 * Indexes `uploads_folder_open_idx` and `jobs_folder_open_idx`.
 */
export async function findComingRoom(
  db: Executor,
  upload: { readonly id: string; readonly folderId: string; readonly amount: Reservation },
): Promise<RoomOutlook> {
  const { bytes, files } = upload.amount;
  const rows = await db.execute<{ outlook: RoomOutlook }>(sql`
    WITH own AS (
      SELECT coalesce(sum(reserved_bytes), 0) AS bytes, coalesce(sum(reserved_files), 0) AS files
      FROM uploads WHERE id = ${upload.id}
    ), purge AS (
      SELECT EXISTS (
        SELECT 1 FROM jobs WHERE folder_id = ${upload.folderId} AND kind = 'trash.purge'
          AND state IN ('queued', 'running')
      ) AS running
    ), others AS (
      SELECT coalesce(bool_or(state <> 'staged' AND lease_until <= now()), false) AS lapsed,
        coalesce(bool_or(
          state = 'aborting' OR (state = 'receiving' AND id > ${upload.id} AND NOT resumable)
        ), false) AS yielding,
        coalesce(bool_or(state <> 'receiving' OR NOT resumable), false) AS held
      FROM (
        SELECT id, state, lease_until, EXISTS (
          SELECT 1 FROM resumable_uploads WHERE upload_id = uploads.id
        ) AS resumable
        FROM uploads
        WHERE folder_id = ${upload.folderId} AND id <> ${upload.id} AND state IN ('receiving', 'staged', 'aborting')
      ) AS open_uploads
    )
    SELECT CASE
      WHEN used_bytes + CASE WHEN purge.running THEN 0 ELSE trash_bytes END + own.bytes + ${bytes}::bigint
          > quota_bytes
        OR used_files + CASE WHEN purge.running THEN 0 ELSE trash_files END + own.files + ${files}::bigint
          > quota_files THEN 'hopeless'
      WHEN others.lapsed THEN 'lapsed'
      WHEN purge.running OR others.yielding THEN 'coming'
      WHEN others.held THEN 'held'
      ELSE 'none' END AS outlook
    FROM folders, own, purge, others
    WHERE folders.id = ${upload.folderId} AND folders.state = 'active'`);
  return rows[0]?.outlook ?? 'none';
}
