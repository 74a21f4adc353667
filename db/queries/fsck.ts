import { sql } from 'drizzle-orm';
import type { Usage } from '../../domain/quota.ts';
import type { UploadSegment, UploadState } from '../../domain/upload-session.ts';
import type { Executor } from '../client.ts';
import type { FolderState } from '../schema/folders.ts';

/** A page by key: what comes after an id, in the order of ids. */
export interface PageOf {
  readonly volume: string;
  readonly after: string | null;
  readonly limit: number;
}

function beyond(after: string | null, column: ReturnType<typeof sql>) {
  return after === null ? sql`` : sql`AND ${column} > ${after}::uuid`;
}

function idList(ids: readonly string[]) {
  return sql`(SELECT jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb)::uuid)`;
}

/** A folder with what its row says, and what the rows around it say, as of one moment. */
export interface CheckedFolder {
  readonly id: string;
  readonly state: FolderState;
  readonly reserved: Usage;
  /** What open uploads and copies have reserved. */
  readonly owed: Usage;
  /** Whether the job that a deleted folder, or one that is being filled, waits for is on its way. */
  readonly hasJob: boolean;
  readonly hasDigests: boolean;
}

/** Folders of a volume that are not purged, only those in `ids` if given. */
export async function listCheckedFolders(
  db: Executor,
  page: PageOf & { readonly ids?: readonly string[] | undefined },
): Promise<CheckedFolder[]> {
  const { volume, after, limit, ids } = page;
  const chosen = ids === undefined ? sql`` : sql`AND f.id IN ${idList(ids)}`;
  const rows = await db.execute<
    { id: string; state: FolderState; job: boolean; digests: boolean } & Record<
      'rbytes' | 'rfiles' | 'obytes' | 'ofiles',
      string
    >
  >(sql`
    SELECT f.id, f.state, f.reserved_bytes AS rbytes, f.reserved_files AS rfiles,
      coalesce(u.bytes, 0) + coalesce(c.bytes, 0) AS obytes, coalesce(u.files, 0) + coalesce(c.files, 0) AS ofiles,
      EXISTS (
        SELECT FROM jobs WHERE folder_id = f.id AND jobs.state IN ('queued', 'running')
          AND kind = CASE f.state WHEN 'cloning' THEN 'folder.clone' ELSE 'folder.purge' END
      ) AS job,
      EXISTS (SELECT FROM file_digests WHERE folder_id = f.id) AS digests
    FROM folders f
    LEFT JOIN LATERAL (
      SELECT sum(reserved_bytes) AS bytes, sum(reserved_files) AS files FROM uploads
      WHERE folder_id = f.id AND uploads.state IN ('receiving', 'staged', 'aborting')
    ) u ON true
    LEFT JOIN LATERAL (
      SELECT sum(reserved_bytes) AS bytes, sum(reserved_files) AS files FROM copies WHERE folder_id = f.id
    ) c ON true
    WHERE f.volume = ${volume} AND f.state <> 'purged' ${chosen} ${beyond(after, sql`f.id`)}
    ORDER BY f.id LIMIT ${limit}`);
  return rows.map((row) => ({
    id: row.id,
    state: row.state,
    reserved: { bytes: Number(row.rbytes), files: Number(row.rfiles) },
    owed: { bytes: Number(row.obytes), files: Number(row.ofiles) },
    hasJob: row.job,
    hasDigests: row.digests,
  }));
}

/** Where the folders with these ids are said to be, and in which state; ids without a row are missing from the answer. */
export async function findFolderPlaces(
  db: Executor,
  ids: readonly string[],
): Promise<Map<string, { readonly state: FolderState; readonly volume: string }>> {
  const rows = await db.execute<{ id: string; state: FolderState; volume: string }>(sql`
    SELECT id, state, volume FROM folders WHERE id IN ${idList(ids)}`);
  return new Map(rows.map(({ id, state, volume }) => [id, { state, volume }]));
}

/** Ids of the folders that have this id, or that their owner knows by this name, trashed ones included. */
export async function findFolderIds(db: Executor, nameOrId: string): Promise<string[]> {
  const rows = await db.execute<{ id: string }>(sql`
    SELECT id FROM folders WHERE replace(id::text, '-', '') = replace(lower(${nameOrId}), '-', '')
    UNION SELECT folder_id FROM members WHERE name = ${nameOrId} AND is_owner
    UNION SELECT id FROM folders WHERE trashed_name = ${nameOrId} AND state = 'trashed'`);
  return rows.map(({ id }) => id);
}

/** Volumes that live folders lie on, with how many. */
export async function countVolumeFolders(db: Executor): Promise<Map<string, number>> {
  const rows = await db.execute<{ volume: string; n: number }>(sql`
    SELECT volume, count(*)::int AS n FROM folders WHERE state IN ('active', 'trashed', 'cloning') GROUP BY volume`);
  return new Map(rows.map(({ volume, n }) => [volume, n]));
}

/** Sets what a folder has reserved to what its open uploads and copies hold. Safe beside them. @returns whether it is live */
export async function mendReserved(tx: Executor, folderId: string): Promise<boolean> {
  // The lock comes first: what is read after it cannot be changed by anybody who has not changed the folder as well.
  const held = await tx.execute(sql`
    SELECT FROM folders WHERE id = ${folderId} AND state IN ('active', 'trashed') FOR UPDATE`);
  if (held.length === 0) return false;
  await tx.execute(sql`
    UPDATE folders SET reserved_bytes = owed.bytes, reserved_files = owed.files
    FROM (
      SELECT coalesce(sum(reserved_bytes), 0)::bigint AS bytes, coalesce(sum(reserved_files), 0)::bigint AS files FROM (
        SELECT reserved_bytes, reserved_files FROM uploads
        WHERE folder_id = ${folderId} AND state IN ('receiving', 'staged', 'aborting')
        UNION ALL SELECT reserved_bytes, reserved_files FROM copies WHERE folder_id = ${folderId}
      ) AS holders
    ) AS owed
    WHERE folders.id = ${folderId}`);
  return true;
}

/** An open upload session with what its rows promise to be staged. */
export interface CheckedUpload {
  readonly id: string;
  readonly folderId: string;
  readonly state: UploadState;
  /** Whether a job is on its way that will commit it; only of staged ones. */
  readonly hasJob: boolean;
  /** Of one that arrives in pieces and is not joined yet. */
  readonly segments: readonly UploadSegment[];
  /** Read files that nothing was put in place of yet: they lie in staging for sure. */
  readonly files: readonly { readonly ordinal: number; readonly bytes: number }[];
}

/**
 * Sessions that receive or wait for their commit, of some folders or with some ids, as of one moment. A file whose commit
 * has begun may be in its place already, and segments that were joined are one staged file: both are left out.
 */
export async function listCheckedUploads(
  db: Executor,
  wanted: { readonly folderIds: readonly string[] } | { readonly uploadIds: readonly string[] },
): Promise<CheckedUpload[]> {
  const which =
    'folderIds' in wanted
      ? sql`u.folder_id IN ${idList(wanted.folderIds)}`
      : sql`u.id IN ${idList(wanted.uploadIds)}`;
  const rows = await db.execute<{
    id: string;
    folderId: string;
    state: UploadState;
    job: boolean;
    segments: UploadSegment[];
    files: { ordinal: number; bytes: number }[];
  }>(sql`
    SELECT u.id, u.folder_id AS "folderId", u.state,
      u.state = 'staged' AND EXISTS (
        SELECT FROM jobs WHERE jobs.id = u.job_id AND jobs.state IN ('queued', 'running')) AS job,
      CASE WHEN EXISTS (SELECT FROM upload_files f WHERE f.upload_id = u.id AND f.sha256 IS NOT NULL) THEN '[]'
        ELSE coalesce(r.segments, '[]') END AS segments,
      coalesce((
        SELECT jsonb_agg(jsonb_build_object('ordinal', f.ordinal, 'bytes', f.size_bytes)) FROM upload_files f
        WHERE f.upload_id = u.id AND u.state = 'staged' AND f.sha256 IS NOT NULL AND f.replaced_bytes IS NULL
      ), '[]') AS files
    FROM uploads u LEFT JOIN resumable_uploads r ON r.upload_id = u.id
    JOIN folders ON folders.id = u.folder_id AND folders.state IN ('active', 'trashed')
    WHERE ${which} AND u.state IN ('receiving', 'staged')`);
  return rows.map(({ job, ...row }) => ({ ...row, hasJob: job }));
}

/**
 * Gives up a session whose staged bytes are not what was promised: the reaper frees what is left of it. One whose commit
 * is on its way belongs to that. @returns whether it was given up
 */
export async function giveUpUpload(db: Executor, uploadId: string): Promise<boolean> {
  const rows = await db.execute(sql`
    UPDATE uploads SET state = 'aborting', lease_until = now()
    WHERE id = ${uploadId} AND (state = 'receiving' OR (state = 'staged' AND NOT EXISTS (
      SELECT FROM jobs WHERE jobs.id = uploads.job_id AND jobs.state IN ('queued', 'running'))))
    RETURNING id`);
  return rows.length === 1;
}

/** An archive that can still be downloaded, and what is promised of its file. */
export interface CheckedArchive {
  readonly id: string;
  readonly folderId: string;
  readonly bytes: number;
}

/** Archives of a volume that have not expired, only those in `ids` if given. */
export async function listCheckedArchives(
  db: Executor,
  page: PageOf & { readonly ids?: readonly string[] },
): Promise<CheckedArchive[]> {
  const { volume, after, limit, ids } = page;
  const chosen = ids === undefined ? sql`` : sql`AND id IN ${idList(ids)}`;
  const rows = await db.execute<{ id: string; folderId: string; bytes: string }>(sql`
    SELECT id, folder_id AS "folderId", size_bytes AS bytes FROM archives
    WHERE volume = ${volume} AND expires_at > now() ${chosen} ${beyond(after, sql`id`)}
    ORDER BY id LIMIT ${limit}`);
  return rows.map((row) => ({ ...row, bytes: Number(row.bytes) }));
}

/** A delete whose job ended without success after it had counted what it was to free. */
export interface CheckedPurge {
  readonly id: string;
  readonly folderId: string;
}

/** Such deletes of live folders of a volume. Index `jobs_failed_idx`. */
export async function listFailedPurges(db: Executor, page: PageOf): Promise<CheckedPurge[]> {
  const { volume, after, limit } = page;
  const rows = await db.execute<{ id: string; folderId: string }>(sql`
    SELECT jobs.id, folder_id AS "folderId" FROM jobs JOIN folders ON folders.id = folder_id AND folders.state = 'active'
    WHERE jobs.volume = ${volume} AND kind = 'trash.purge' AND jobs.state IN ('failed', 'cancelled')
      AND checkpoint->'measured' IS NOT NULL ${beyond(after, sql`jobs.id`)}
    ORDER BY jobs.id LIMIT ${limit}`);
  return [...rows];
}

/** Forgets what a delete had counted whose trash is gone, so that nobody frees it a second time. A count has to follow. */
export async function forgetPurgeCount(tx: Executor, jobId: string): Promise<boolean> {
  const rows = await tx.execute(sql`
    UPDATE jobs SET checkpoint = NULL
    WHERE id = ${jobId} AND kind = 'trash.purge' AND state IN ('failed', 'cancelled') RETURNING id`);
  return rows.length === 1;
}

/** An unfinished job that can come to nothing any more. */
export interface IdleJob {
  readonly id: string;
  readonly kind: string;
  readonly folderId: string | null;
}

/** How long after it was made a job that nobody runs counts as forgotten: longer than any wait between attempts. */
const idleMinutes = 60;

function isObjectless() {
  return sql`jobs.state IN ('queued', 'running') AND (lease_until IS NULL OR lease_until < now())
    AND next_dispatch_at < now() + interval '1 minute'
    AND jobs.created_at < now() - make_interval(mins => ${idleMinutes}::int)
    AND (
      EXISTS (SELECT FROM folders f WHERE f.id = jobs.folder_id AND f.state = 'purged')
      OR (kind = 'upload.commit' AND NOT EXISTS (
        SELECT FROM uploads WHERE uploads.id = (payload->>'uploadId')::uuid AND uploads.state = 'staged'))
    )`;
}

/** Jobs of a volume that nobody runs and whose folder is purged, or whose upload has ended. */
export async function listObjectlessJobs(db: Executor, page: PageOf): Promise<IdleJob[]> {
  const { volume, after, limit } = page;
  const rows = await db.execute<{ id: string; kind: string; folderId: string | null }>(sql`
    SELECT id, kind, folder_id AS "folderId" FROM jobs
    WHERE volume = ${volume} AND ${isObjectless()} ${beyond(after, sql`id`)}
    ORDER BY id LIMIT ${limit}`);
  return [...rows];
}

/** Ends such a job as failed, and lets go of what it claimed. @returns whether it still was one */
export async function failObjectlessJob(tx: Executor, jobId: string): Promise<boolean> {
  const rows = await tx.execute(sql`
    UPDATE jobs SET state = 'failed', finished_at = now(), lease_until = NULL, fence = fence + 1,
      error_code = 'not_found', error_detail = 'What the job was about is gone.'
    WHERE id = ${jobId} AND ${isObjectless()} RETURNING id`);
  if (rows.length === 0) return false;
  await tx.execute(sql`DELETE FROM path_claims WHERE job_id = ${jobId}`);
  return true;
}
