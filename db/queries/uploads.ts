import { and, asc, eq, inArray, sql } from 'drizzle-orm';
import { stageIdOf, type UploadSegment, type UploadState } from '../../domain/upload-session.ts';
import type { Executor } from '../client.ts';
import { uploadFiles } from '../schema/upload-files.ts';
import { uploads } from '../schema/uploads.ts';
import { statement } from '../statement.ts';

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

/** A session to open in a folder, with what it asks for first. */
export interface UploadRequest {
  readonly id: string;
  readonly actorId: string;
  readonly amount: Reservation;
  /** How long it lasts without a sign of life; an API process that receives it renews the default. */
  readonly leaseSeconds?: number;
}

/**
 * Opens sessions of one folder with their first reservations, all of them or none, in one statement; at READ COMMITTED the row
 * lock makes the quota hard at any concurrency. Lock order everywhere: job, then upload session, then folder.
 * @returns false when what they ask for does not fit together, or the folder is not active
 */
export async function reserveUploads(
  db: Executor,
  folderId: string,
  uploads: readonly UploadRequest[],
): Promise<boolean> {
  const bytes = uploads.reduce((sum, { amount }) => sum + amount.bytes, 0);
  const files = uploads.reduce((sum, { amount }) => sum + amount.files, 0);
  const asked = uploads.map(({ id, actorId, amount, leaseSeconds = uploadLeaseSeconds }) => {
    return { id, actor: actorId, ...amount, replacing: amount.replacing ?? 0, seconds: leaseSeconds };
  });
  const rows = await db.execute(statement`
    WITH f AS (
      UPDATE folders
      SET reserved_bytes = reserved_bytes + ${bytes}::bigint, reserved_files = reserved_files + ${files}::bigint
      WHERE id = ${folderId} AND state = 'active'
        AND used_bytes + trash_bytes + reserved_bytes + ${bytes}::bigint <= quota_bytes
        AND used_files + trash_files + reserved_files + ${files}::bigint <= quota_files
      RETURNING id
    )
    INSERT INTO uploads (id, folder_id, actor_id, reserved_bytes, reserved_files, replacing_files, lease_until)
    SELECT asked.id, f.id, actor, bytes, files, replacing, now() + make_interval(secs => seconds)
    FROM f, jsonb_to_recordset(${JSON.stringify(asked)}::jsonb)
      AS asked(id uuid, actor uuid, bytes bigint, files int, replacing int, seconds int)
    RETURNING id`);
  return rows.length > 0;
}

/** Opens one session, as {@link reserveUploads}. */
export async function reserveUpload(
  db: Executor,
  { folderId, ...upload }: UploadRequest & { readonly folderId: string },
): Promise<boolean> {
  return await reserveUploads(db, folderId, [upload]);
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

/** A session whose files are staged, and the job that will commit them. */
export interface StagedSession {
  readonly id: string;
  readonly jobId: string;
  readonly files: readonly RecordedFile[];
}

/**
 * Turns receiving sessions into staged ones: trims the reservations to what was staged, notes the files and the jobs that
 * will commit them. Belongs into one transaction with the rows of the jobs. All files are one parameter: a statement has room
 * for 65,534, which a row each would use up at some 9,000 files. The folder is locked only when a reservation was too large.
 * @returns ids of the sessions that are staged now; the others were no longer receiving
 */
export async function stageUploads(
  tx: Executor,
  staged: readonly StagedSession[],
): Promise<ReadonlySet<string>> {
  const given = staged.map(({ id, jobId, files }) => {
    const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    return { id, job: jobId, bytes, count: files.length, files };
  });
  const rows = await tx.execute<{ id: string }>(statement`
    WITH given AS MATERIALIZED (
      SELECT * FROM jsonb_to_recordset(${JSON.stringify(given)}::jsonb)
        AS given(id uuid, job uuid, bytes bigint, count int, files jsonb)
    ), before AS MATERIALIZED (
      SELECT id, folder_id, reserved_bytes, reserved_files FROM uploads
      WHERE id = ANY(ARRAY(SELECT id FROM given)) AND (state = 'receiving') IS TRUE ORDER BY id FOR UPDATE
    ), u AS (
      UPDATE uploads
      SET state = 'staged', job_id = given.job, reserved_bytes = given.bytes,
        reserved_files = least(before.reserved_files, given.count)
      FROM before JOIN given ON given.id = before.id WHERE uploads.id = before.id
      RETURNING uploads.id, uploads.reserved_bytes, uploads.reserved_files
    ), noted AS (
      INSERT INTO upload_files (upload_id, ordinal, path, size_bytes, sha256, crc32, inode, version)
      SELECT u.id, file.ordinal, file.path, file."sizeBytes", file.sha256, file.crc32, file.inode, file.version
      FROM u JOIN given ON given.id = u.id, jsonb_to_recordset(given.files) AS file(
        ordinal int, path text, "sizeBytes" bigint, sha256 text, crc32 bigint, inode text, version text)
    ), spare AS MATERIALIZED (
      SELECT folder_id, sum(before.reserved_bytes - u.reserved_bytes)::bigint AS bytes,
        sum(before.reserved_files - u.reserved_files)::bigint AS files
      FROM before JOIN u ON u.id = before.id GROUP BY folder_id
    ), trimmed AS (
      UPDATE folders
      SET reserved_bytes = folders.reserved_bytes - spare.bytes, reserved_files = folders.reserved_files - spare.files
      FROM spare WHERE folders.id = spare.folder_id AND (spare.bytes <> 0 OR spare.files <> 0)
    )
    SELECT id FROM u`);
  return new Set(rows.map(({ id }) => id));
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

/** The states of some sessions by their ids; those without a row are missing. */
export async function findUploadStates(
  db: Executor,
  uploadIds: readonly string[],
): Promise<ReadonlyMap<string, UploadState>> {
  const rows = await db.execute<{ id: string; state: UploadState }>(sql`
    SELECT id, state FROM uploads
    WHERE id IN (SELECT jsonb_array_elements_text(${JSON.stringify(uploadIds)}::jsonb)::uuid)`);
  return new Map(rows.map(({ id, state }) => [id, state]));
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

/** Gives files of a session other targets, those of which nothing is noted yet of what they replace. */
export async function renameUploadFiles(
  tx: Executor,
  uploadId: string,
  files: readonly Pick<RecordedFile, 'ordinal' | 'path'>[],
): Promise<void> {
  const names = JSON.stringify(files.map(({ ordinal, path }) => ({ ordinal, path })));
  await tx.execute(sql`
    UPDATE upload_files SET path = name.path
    FROM jsonb_to_recordset(${names}::jsonb) AS name(ordinal int, path text)
    WHERE upload_id = ${uploadId} AND upload_files.ordinal = name.ordinal AND replaced_bytes IS NULL`);
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
  await tx.execute(sql`
    WITH open AS MATERIALIZED (
      SELECT id FROM uploads WHERE folder_id = ${folderId} AND state IN ('receiving', 'staged', 'aborting')
      ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE uploads SET state = 'aborted', finished_at = now() FROM open WHERE uploads.id = open.id`);
}

/** Forgets sessions that ended longer ago than `olderThanDays`, but those that somebody holds. @returns how many */
export async function deleteFinishedUploads(
  db: Executor,
  options: { olderThanDays: number; limit: number },
): Promise<number> {
  const rows = await db.execute(sql`
    DELETE FROM uploads WHERE id = ANY(ARRAY(
      SELECT id FROM uploads
      WHERE finished_at < now() - make_interval(days => ${options.olderThanDays}) LIMIT ${options.limit}
      FOR UPDATE SKIP LOCKED
    )) RETURNING id`);
  return rows.length;
}
