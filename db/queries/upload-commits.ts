import { sql } from 'drizzle-orm';
import type { UploadState } from '../../domain/upload-session.ts';
import type { Executor } from '../client.ts';
import { statement } from '../statement.ts';
import { type Claim, endColumns, endSucceeded, heldEnds, type SuccessfulEnd } from './job-lease.ts';
import type { CommitFile, UploadSession } from './uploads.ts';

/** A session with the files to commit, in the order they were sent. */
export interface UploadToCommit extends UploadSession {
  readonly files: readonly CommitFile[];
}

interface UploadRow extends Record<string, unknown> {
  readonly id: string;
  readonly folderId: string;
  readonly actorId: string;
  readonly state: UploadState;
  readonly reservedBytes: string;
  readonly reservedFiles: number;
  readonly files: readonly CommitFile[];
}

/** Those of the sessions that exist, with their files, as of one moment. */
export async function listUploadsToCommit(
  db: Executor,
  uploadIds: readonly string[],
): Promise<UploadToCommit[]> {
  const rows = await db.execute<UploadRow>(statement`
    SELECT id, folder_id AS "folderId", actor_id AS "actorId", state, reserved_bytes AS "reservedBytes",
      reserved_files AS "reservedFiles", coalesce((
        SELECT json_agg(json_build_object('ordinal', ordinal, 'path', path, 'sizeBytes', size_bytes, 'sha256', sha256,
          'crc32', crc32, 'inode', inode, 'replacedBytes', replaced_bytes, 'replacedFiles', replaced_files) ORDER BY ordinal)
        FROM upload_files WHERE upload_id = uploads.id
      ), '[]'::json) AS files
    FROM uploads WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text(${JSON.stringify(uploadIds)}::jsonb)::uuid))`);
  return rows.map((row) => ({ ...row, reservedBytes: Number(row.reservedBytes) }));
}

/** What a target held before it was replaced: `inode` of the file that goes away with it, empty for one that has another name. */
export interface ReplacedNote {
  readonly ordinal: number;
  readonly bytes: number;
  readonly files: number;
  readonly inode?: string;
}

/** What the targets of one upload held, noted by the run of its job that holds the claim. */
export interface ReplacedNotes {
  readonly claim: Claim;
  readonly uploadId: string;
  readonly notes: readonly ReplacedNote[];
}

/**
 * Notes what the targets of uploads held, once: rows that have a note keep it. The look at the fence is part of the statement,
 * whose lock on the job's row keeps the claim until the notes are written.
 * @returns the jobs whose claims hold; for the others nothing is noted
 */
export async function noteReplaced(
  db: Executor,
  uploads: readonly ReplacedNotes[],
): Promise<ReadonlySet<string>> {
  const given = uploads.map(({ claim, uploadId, notes }) => ({ ...claim, upload: uploadId, notes }));
  const rows = await db.execute<{ id: string }>(statement`
    WITH given AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(given)}::jsonb)
        AS given(id uuid, fence bigint, upload uuid, notes jsonb)
    ), held AS MATERIALIZED (
      SELECT jobs.id FROM jobs JOIN given ON given.id = jobs.id AND given.fence = jobs.fence
      WHERE jobs.id = ANY(ARRAY(SELECT id FROM given)) AND (state = 'running') IS TRUE
      ORDER BY jobs.id FOR NO KEY UPDATE OF jobs
    ), noted AS (
      UPDATE upload_files
      SET replaced_bytes = note.bytes, replaced_files = note.files, replaced_inode = note.inode
      FROM held JOIN given ON given.id = held.id, jsonb_to_recordset(given.notes)
        AS note(ordinal int, bytes bigint, files int, inode text)
      WHERE upload_id = given.upload AND upload_files.ordinal = note.ordinal AND replaced_bytes IS NULL
    )
    SELECT id FROM held`);
  return new Set(rows.map(({ id }) => id));
}

/** Whether a file of an upload was noted to replace another one, be it that this one has other names. */
export async function isReplacing(
  db: Executor,
  file: { readonly uploadId: string; readonly ordinal: number },
): Promise<boolean> {
  const rows = await db.execute(statement`
    SELECT 1 FROM upload_files
    WHERE upload_id = ${file.uploadId}::uuid AND ordinal = ${file.ordinal}::int AND replaced_inode IS NOT NULL`);
  return rows.length === 1;
}

/**
 * Whether the job that commits an upload has ended without success before it could put any file in place: nothing was noted of
 * what its files replace, which comes first, or the volume was full, which is final only while nothing is visible. Indexes
 * `jobs_pkey`, `uploads_job_idx`.
 */
export async function isRefusedWhole(db: Executor, jobId: string): Promise<boolean> {
  const rows = await db.execute(sql`
    SELECT 1 FROM jobs
    WHERE id = ${jobId} AND state IN ('failed', 'cancelled') AND (error_code = 'volume_full' OR NOT EXISTS (
      SELECT 1 FROM uploads JOIN upload_files ON upload_id = uploads.id
      WHERE uploads.job_id = jobs.id AND replaced_bytes IS NOT NULL
    ))`);
  return rows.length === 1;
}

/** The end of a commit: its job succeeds, and what it made visible counts. */
export interface UploadEnd extends SuccessfulEnd {
  readonly uploadId: string;
  /** Ordinals of files that did not become visible; they only give their reservation back. */
  readonly missing: readonly number[];
}

/**
 * Ends jobs as succeeded, and with them their staged sessions as committed: moves bytes from reserved to used, notes the
 * checksums of what became visible, forgets those of what was replaced, and lets go of the jobs' claims of paths. A session that
 * is not staged any more is left as it is. Locks jobs, then sessions, both in the order of their ids, then folders; those of one
 * folder at a time, so that two of these cannot wait for each other.
 * @returns the jobs whose claims held; nothing is written for the others
 */
export async function endUploads(db: Executor, ends: readonly UploadEnd[]): Promise<ReadonlySet<string>> {
  const given = ends.map(({ id, fence, result, progress, uploadId }) => {
    return { id, fence, result, progress, upload: uploadId };
  });
  const missing = ends.flatMap((end) => end.missing.map((ordinal) => ({ upload: end.uploadId, ordinal })));
  const rows = await db.execute<{ id: string }>(statement`
    WITH ends AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(given)}::jsonb)
        AS given(${endColumns}, upload uuid)
    ), held AS MATERIALIZED (${heldEnds}
    ), ended AS (${endSucceeded}
    ), staged AS MATERIALIZED (
      SELECT uploads.id FROM ended JOIN ends ON ends.id = ended.id JOIN uploads ON uploads.id = ends.upload
      WHERE uploads.id = ANY(ARRAY(SELECT upload FROM ends)) AND (uploads.state = 'staged') IS TRUE
      ORDER BY uploads.id FOR NO KEY UPDATE OF uploads
    ), u AS (
      UPDATE uploads SET state = 'committed', finished_at = now() FROM staged WHERE uploads.id = staged.id
      RETURNING uploads.id, folder_id, reserved_bytes, reserved_files
    ), visible AS MATERIALIZED (
      SELECT folder_id, size_bytes, replaced_bytes, replaced_files, replaced_inode, inode, version, crc32
      FROM u JOIN upload_files ON upload_id = u.id
      WHERE ((upload_id, ordinal) IN (
        SELECT upload, missing.ordinal FROM jsonb_to_recordset(${JSON.stringify(missing)}::jsonb) AS missing(upload uuid, ordinal int)
      )) IS NOT TRUE
    ), freed AS MATERIALIZED (
      SELECT folder_id, sum(reserved_bytes)::bigint AS bytes, sum(reserved_files)::bigint AS files FROM u GROUP BY folder_id
    ), landed AS MATERIALIZED (
      SELECT folder_id, sum(size_bytes - replaced_bytes)::bigint AS bytes, sum(1 - replaced_files)::bigint AS files
      FROM visible GROUP BY folder_id
    ), counted AS (
      UPDATE folders
      SET reserved_bytes = folders.reserved_bytes - freed.bytes, reserved_files = folders.reserved_files - freed.files,
        used_bytes = greatest(0, used_bytes + coalesce(landed.bytes, 0)),
        used_files = greatest(0, used_files + coalesce(landed.files, 0)),
        mutation_seq = mutation_seq + 1
      FROM freed LEFT JOIN landed ON landed.folder_id = freed.folder_id WHERE folders.id = freed.folder_id
    ), forgotten AS (
      DELETE FROM file_digests USING visible
      WHERE file_digests.folder_id = visible.folder_id AND file_digests.inode = visible.replaced_inode
        AND ((file_digests.folder_id, file_digests.inode) IN (SELECT folder_id, inode FROM visible)) IS NOT TRUE
    ), noted AS (
      INSERT INTO file_digests (folder_id, inode, version, crc32)
      SELECT DISTINCT ON (folder_id, inode) folder_id, inode, version, crc32 FROM visible WHERE version IS NOT NULL
      ON CONFLICT (folder_id, inode)
        DO UPDATE SET version = excluded.version, crc32 = excluded.crc32, noted_at = now()
    ), released AS (
      DELETE FROM path_claims USING ended WHERE job_id = ended.id
    )
    SELECT id FROM ended`);
  return new Set(rows.map(({ id }) => id));
}
