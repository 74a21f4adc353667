import { and, asc, eq, inArray, sql } from 'drizzle-orm';
import { stageIdOf, type UploadSegment, type UploadState } from '../../domain/upload-session.ts';
import type { Executor } from '../client.ts';
import { uploadFiles } from '../schema/upload-files.ts';
import { uploads } from '../schema/uploads.ts';
import { statement } from '../statement.ts';
import type { Claim } from './job-lease.ts';

/** How long an API process may be silent before its upload counts as abandoned. */
const uploadLeaseSeconds = 30;

const leaseEnd = sql`now() + make_interval(secs => ${uploadLeaseSeconds})`;

/**
 * An amount to reserve: bytes and files that are about to be staged. `replacing` are files beyond that which take the
 * place of others and so need no room; should one turn out to be new, the commit asks for its room.
 */
export interface Reservation {
  readonly bytes: number;
  readonly files: number;
  readonly replacing?: number;
}

/** A file of a session, as recorded. Digests that are `null` are for the commit to find out, with the inode. */
export interface RecordedFile {
  readonly ordinal: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string | null;
  readonly crc32: number | null;
  readonly inode: string;
  /** As in `EntryStat`; without it the checksum is not noted for later. */
  readonly version?: string;
}

/** One staged and synced file of a session. */
export interface StagedFile extends RecordedFile {
  readonly sha256: string;
  readonly crc32: number;
}

/** A staged file as the commit sees it; `replaced*` is what the target held, `null` until noted. */
export interface CommitFile extends RecordedFile {
  readonly replacedBytes: number | null;
  readonly replacedFiles: number | null;
}

/** A session as jobs see it. */
export interface UploadSession {
  readonly id: string;
  readonly folderId: string;
  readonly actorId: string;
  readonly state: UploadState;
  readonly reservedBytes: number;
  readonly reservedFiles: number;
}

/**
 * Opens a session with a first reservation, in one statement; at READ COMMITTED the row lock makes the quota hard at
 * any concurrency. Lock order everywhere: job, then upload session, then folder.
 * `leaseSeconds` is how long the session lasts without a sign of life; an API process that receives it renews the default.
 * @returns false when the amount does not fit or the folder is not active
 */
export async function reserveUpload(
  db: Executor,
  upload: { id: string; folderId: string; actorId: string; amount: Reservation; leaseSeconds?: number },
): Promise<boolean> {
  const { bytes, files, replacing = 0 } = upload.amount;
  const rows = await db.execute(statement`
    WITH f AS (
      UPDATE folders
      SET reserved_bytes = reserved_bytes + ${bytes}::bigint, reserved_files = reserved_files + ${files}::bigint
      WHERE id = ${upload.folderId} AND state = 'active'
        AND used_bytes + trash_bytes + reserved_bytes + ${bytes}::bigint <= quota_bytes
        AND used_files + trash_files + reserved_files + ${files}::bigint <= quota_files
      RETURNING id
    )
    INSERT INTO uploads (id, folder_id, actor_id, reserved_bytes, reserved_files, replacing_files, lease_until)
    SELECT ${upload.id}, f.id, ${upload.actorId}, ${bytes}::bigint, ${files}::int, ${replacing}::int,
      now() + make_interval(secs => ${upload.leaseSeconds ?? uploadLeaseSeconds})
    FROM f
    RETURNING id`);
  return rows.length === 1;
}

/**
 * Adds to the reservation of a session that is still receiving (or in `state`), and renews its lease.
 * @returns `granted`, `refused` (it does not fit), or `gone` (the session was aborted, or the folder deleted)
 */
export async function growUpload(
  db: Executor,
  upload: { id: string; amount: Reservation; state?: 'receiving' | 'staged' },
): Promise<'granted' | 'refused' | 'gone'> {
  const { bytes, files, replacing = 0 } = upload.amount;
  const rows = await db.execute<{ alive: boolean; granted: boolean }>(sql`
    WITH u AS (
      SELECT id, folder_id FROM uploads
      WHERE id = ${upload.id} AND state = ${upload.state ?? 'receiving'} FOR UPDATE
    ), f AS (
      UPDATE folders
      SET reserved_bytes = reserved_bytes + ${bytes}::bigint, reserved_files = reserved_files + ${files}::bigint
      FROM u
      WHERE folders.id = u.folder_id AND state = 'active'
        AND used_bytes + trash_bytes + reserved_bytes + ${bytes}::bigint <= quota_bytes
        AND used_files + trash_files + reserved_files + ${files}::bigint <= quota_files
      RETURNING folders.id
    ), g AS (
      UPDATE uploads
      SET reserved_bytes = reserved_bytes + ${bytes}::bigint, reserved_files = reserved_files + ${files}::int,
        replacing_files = replacing_files + ${replacing}::int, lease_until = greatest(lease_until, ${leaseEnd})
      FROM f WHERE uploads.id = ${upload.id}
      RETURNING uploads.id
    )
    SELECT EXISTS (
        SELECT 1 FROM u JOIN folders ON folders.id = u.folder_id WHERE folders.state = 'active'
      ) AS alive,
      EXISTS (SELECT 1 FROM g) AS granted`);
  const row = rows[0];
  if (row?.granted === true) return 'granted';
  return row?.alive === true ? 'refused' : 'gone';
}

/** Renews the lease of a receiving session. @returns false when it is no longer receiving */
export async function renewUploadLease(db: Executor, uploadId: string): Promise<boolean> {
  const rows = await db
    .update(uploads)
    .set({ leaseUntil: leaseEnd })
    .where(and(eq(uploads.id, uploadId), eq(uploads.state, 'receiving')))
    .returning({ id: uploads.id });
  return rows.length === 1;
}

/**
 * Turns a receiving session into a staged one: trims the reservation to what was staged, notes the files and the job
 * that will commit them. Belongs into one transaction with the job's row. The files are one parameter: a statement has
 * room for 65,534, which a row each would use up at some 9,000 files.
 * @returns false when the session is no longer receiving
 */
export async function stageUpload(
  tx: Executor,
  upload: { id: string; jobId: string; files: readonly RecordedFile[] },
): Promise<boolean> {
  const bytes = upload.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const rows = await tx.execute(statement`
    WITH before AS (
      SELECT id, folder_id, reserved_bytes, reserved_files FROM uploads
      WHERE id = ${upload.id} AND state = 'receiving' FOR UPDATE
    ), u AS (
      UPDATE uploads
      SET state = 'staged', job_id = ${upload.jobId}, reserved_bytes = ${bytes}::bigint,
        reserved_files = least(before.reserved_files, ${upload.files.length}::int)
      FROM before WHERE uploads.id = before.id
      RETURNING uploads.id, uploads.reserved_files
    ), noted AS (
      INSERT INTO upload_files (upload_id, ordinal, path, size_bytes, sha256, crc32, inode, version)
      SELECT u.id, file.ordinal, file.path, file."sizeBytes", file.sha256, file.crc32, file.inode, file.version
      FROM u, jsonb_to_recordset(${JSON.stringify(upload.files)}::jsonb) AS file(
        ordinal int, path text, "sizeBytes" bigint, sha256 text, crc32 bigint, inode text,
        version text)
    )
    UPDATE folders
    SET reserved_bytes = folders.reserved_bytes - before.reserved_bytes + ${bytes}::bigint,
      reserved_files = folders.reserved_files - before.reserved_files + u.reserved_files
    FROM before, u WHERE folders.id = before.folder_id
    RETURNING folders.id`);
  return rows.length === 1;
}

/** `null` when there is no such session. */
export async function findUpload(db: Executor, uploadId: string): Promise<UploadSession | null> {
  const rows = await db
    .select({
      id: uploads.id,
      folderId: uploads.folderId,
      actorId: uploads.actorId,
      state: uploads.state,
      reservedBytes: uploads.reservedBytes,
      reservedFiles: uploads.reservedFiles,
    })
    .from(uploads)
    .where(eq(uploads.id, uploadId));
  return rows[0] ?? null;
}

/** The files of a session, in the order they were sent. */
export async function listUploadFiles(db: Executor, uploadId: string): Promise<CommitFile[]> {
  return db
    .select({
      ordinal: uploadFiles.ordinal,
      path: uploadFiles.path,
      sizeBytes: uploadFiles.sizeBytes,
      sha256: uploadFiles.sha256,
      crc32: uploadFiles.crc32,
      inode: uploadFiles.inode,
      replacedBytes: uploadFiles.replacedBytes,
      replacedFiles: uploadFiles.replacedFiles,
    })
    .from(uploadFiles)
    .where(eq(uploadFiles.uploadId, uploadId))
    .orderBy(asc(uploadFiles.ordinal));
}

/** Gives a file of a session another target, as long as nothing is noted of what it replaces. */
export async function renameUploadFile(
  tx: Executor,
  file: { readonly uploadId: string; readonly ordinal: number; readonly path: string },
): Promise<void> {
  await tx
    .update(uploadFiles)
    .set({ path: file.path })
    .where(sql`upload_id = ${file.uploadId} AND ordinal = ${file.ordinal} AND replaced_bytes IS NULL`);
}

/** What a target held before it was replaced; `inode` when the file goes away with it. */
export interface ReplacedNote {
  readonly ordinal: number;
  readonly bytes: number;
  readonly files: number;
  readonly inode?: string;
}

/**
 * Notes what the targets held, once: rows that have a note keep it. The look at the fence is part of the statement, whose
 * lock on the job's row keeps the claim until the notes are written. @returns whether the claim holds; if not, nothing is noted
 */
export async function noteReplaced(
  db: Executor,
  claim: Claim,
  { uploadId, notes }: { readonly uploadId: string; readonly notes: readonly ReplacedNote[] },
): Promise<boolean> {
  const rows = await db.execute(statement`
    WITH held AS (
      UPDATE jobs SET fence = fence WHERE id = ${claim.id} AND fence = ${claim.fence} AND state = 'running' RETURNING id
    ), noted AS (
      UPDATE upload_files
      SET replaced_bytes = note.bytes, replaced_files = note.files, replaced_inode = note.inode
      FROM held, jsonb_to_recordset(${JSON.stringify(notes)}::jsonb)
        AS note(ordinal int, bytes bigint, files int, inode text)
      WHERE upload_id = ${uploadId} AND upload_files.ordinal = note.ordinal AND replaced_bytes IS NULL
    )
    SELECT id FROM held`);
  return rows.length === 1;
}

/**
 * Ends a staged session as committed and moves its bytes from reserved to used. `ordinals` are the files that became
 * visible; the others only give their reservation back. Their checksums are noted, those of the files that they replaced
 * forgotten. A no-op unless the session is staged, but for the claims of its job, which it lets go of.
 */
export async function settleUpload(
  tx: Executor,
  upload: { id: string; ordinals: readonly number[] },
): Promise<void> {
  await tx.execute(statement`
    WITH u AS (
      UPDATE uploads SET state = 'committed', finished_at = now()
      WHERE id = ${upload.id} AND state = 'staged'
      RETURNING id, folder_id, reserved_bytes, reserved_files
    ), visible AS (
      SELECT size_bytes, replaced_bytes, replaced_files, replaced_inode, inode, version, crc32
      FROM upload_files
      WHERE upload_id = ${upload.id}
        AND ordinal IN (SELECT jsonb_array_elements(${JSON.stringify(upload.ordinals)}::jsonb)::int)
    ), landed AS (
      SELECT coalesce(sum(size_bytes - replaced_bytes), 0)::bigint AS bytes,
        coalesce(sum(1 - replaced_files), 0)::bigint AS files
      FROM visible
    ), forgotten AS (
      DELETE FROM file_digests USING u, visible
      WHERE file_digests.folder_id = u.folder_id AND file_digests.inode = visible.replaced_inode
        AND file_digests.inode NOT IN (SELECT inode FROM visible)
    ), noted AS (
      INSERT INTO file_digests (folder_id, inode, version, crc32)
      SELECT DISTINCT ON (inode) u.folder_id, inode, version, crc32 FROM u, visible WHERE version IS NOT NULL
      ON CONFLICT (folder_id, inode)
        DO UPDATE SET version = excluded.version, crc32 = excluded.crc32, noted_at = now()
    ), released AS (
      DELETE FROM path_claims WHERE job_id = (SELECT job_id FROM uploads WHERE id = ${upload.id})
    )
    UPDATE folders
    SET reserved_bytes = folders.reserved_bytes - u.reserved_bytes,
      reserved_files = folders.reserved_files - u.reserved_files,
      used_bytes = greatest(0, used_bytes + landed.bytes),
      used_files = greatest(0, used_files + landed.files),
      mutation_seq = mutation_seq + 1
    FROM u, landed WHERE folders.id = u.folder_id`);
}

/**
 * Marks a session for clean-up; from here on it can neither grow nor be staged or committed. Its bytes stay
 * reserved until {@link releaseUpload}, which the caller has some seconds to reach before the reaper takes over. A
 * staged one belongs to its job: only that may abort it, under its claim.
 * @returns false when it is in none of the states `from`
 */
export async function abortUpload(
  db: Executor,
  uploadId: string,
  from: readonly UploadState[] = ['receiving', 'staged'],
): Promise<boolean> {
  const rows = await db
    .update(uploads)
    .set({ state: 'aborting', leaseUntil: sql`now() + interval '10 seconds'` })
    .where(and(eq(uploads.id, uploadId), inArray(uploads.state, [...from])))
    .returning({ id: uploads.id });
  return rows.length === 1;
}

/** Gives back the reservation of an aborting session whose staged files are gone. Safe to repeat. */
export async function releaseUpload(db: Executor, uploadId: string): Promise<void> {
  await db.execute(sql`
    WITH u AS (
      UPDATE uploads SET state = 'aborted', finished_at = now()
      WHERE id = ${uploadId} AND state = 'aborting'
      RETURNING folder_id, reserved_bytes, reserved_files
    )
    UPDATE folders
    SET reserved_bytes = greatest(0, folders.reserved_bytes - u.reserved_bytes),
      reserved_files = greatest(0, folders.reserved_files - u.reserved_files)
    FROM u WHERE folders.id = u.folder_id`);
}

/** Sessions on `volume` that nobody serves any more: their lease is over. Marks them aborting and answers them, oldest first. */
export async function takeExpiredUploads(
  db: Executor,
  options: { volume: string; limit: number },
): Promise<UploadSession[]> {
  const rows = await db.execute<{
    id: string;
    folderId: string;
    actorId: string;
    reservedBytes: string;
    reservedFiles: number;
  }>(sql`
    UPDATE uploads SET state = 'aborting', lease_until = now() + interval '30 seconds'
    WHERE id IN (
      SELECT uploads.id FROM uploads JOIN folders ON folders.id = uploads.folder_id
      WHERE uploads.state IN ('receiving', 'aborting') AND uploads.lease_until <= now()
        AND folders.volume = ${options.volume}
      ORDER BY uploads.lease_until LIMIT ${options.limit}
      FOR UPDATE OF uploads SKIP LOCKED
    )
    RETURNING id, folder_id AS "folderId", actor_id AS "actorId", reserved_bytes AS "reservedBytes",
      reserved_files AS "reservedFiles"`);
  return rows.map((row) => ({ ...row, state: 'aborting', reservedBytes: Number(row.reservedBytes) }));
}

/** Names in a folder's staging that belong to open sessions. */
export async function listOwnedStageIds(db: Executor, folderId: string): Promise<Set<string>> {
  const rows = await db.execute<{
    id: string;
    ordinalsEnd: number;
    segments: readonly UploadSegment[] | null;
  }>(sql`
    SELECT uploads.id, segments, greatest(reserved_files + replacing_files, ordinals, (
        SELECT coalesce(max(ordinal) + 1, 0) FROM upload_files WHERE upload_files.upload_id = uploads.id
      )) AS "ordinalsEnd"
    FROM uploads LEFT JOIN resumable_uploads ON resumable_uploads.upload_id = uploads.id
    WHERE folder_id = ${folderId} AND state IN ('receiving', 'staged', 'aborting')`);
  const owned = new Set<string>();
  for (const { id, ordinalsEnd, segments } of rows) {
    for (let ordinal = 0; ordinal < ordinalsEnd; ordinal += 1) owned.add(stageIdOf(id, ordinal));
    // Joined from parts, segments bear the names of sessions that have ended.
    for (const segment of segments ?? []) owned.add(stageIdOf(segment.uploadId, segment.ordinal));
  }
  return owned;
}

/** Ends every open session of a deleted folder; its counters go with the folder. */
export async function abortFolderUploads(tx: Executor, folderId: string): Promise<void> {
  await tx
    .update(uploads)
    .set({ state: 'aborted', finishedAt: sql`now()` })
    .where(and(eq(uploads.folderId, folderId), inArray(uploads.state, ['receiving', 'staged', 'aborting'])));
}

/** Forgets sessions that ended longer ago than `olderThanDays`. @returns how many */
export async function deleteFinishedUploads(
  db: Executor,
  options: { olderThanDays: number; limit: number },
): Promise<number> {
  const rows = await db.execute(sql`
    DELETE FROM uploads WHERE id IN (
      SELECT id FROM uploads
      WHERE finished_at < now() - make_interval(days => ${options.olderThanDays}) LIMIT ${options.limit}
    ) RETURNING id`);
  return rows.length;
}
