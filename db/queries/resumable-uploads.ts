import { and, eq, sql } from 'drizzle-orm';
import type { Permission } from '../../domain/permission.ts';
import {
  stageIdOf,
  type UploadSegment,
  type UploadShape,
  type UploadState,
} from '../../domain/upload-session.ts';
import type { Executor } from '../client.ts';
import { folders } from '../schema/folders.ts';
import { members } from '../schema/members.ts';
import { resumableUploads } from '../schema/resumable-uploads.ts';
import { uploadFiles } from '../schema/upload-files.ts';
import { uploads } from '../schema/uploads.ts';

/** How long a resumable upload is kept after the last request that wrote to it. */
export const resumableLifeSeconds = 24 * 60 * 60;
/** How long a writer may be silent before another request takes the upload over. */
export const writerLeaseSeconds = 8;

const writerEnd = sql`now() + make_interval(secs => ${writerLeaseSeconds})`;
const lifeEnd = sql`now() + make_interval(secs => ${resumableLifeSeconds})`;

/** A resumable upload as its owner sees it, with what they may do in its folder as of now. */
export interface ResumableUpload {
  readonly id: string;
  readonly folderId: string;
  readonly volume: string;
  readonly actorId: string;
  readonly state: UploadState;
  readonly reservedBytes: number;
  readonly jobId: string | null;
  /** While the state is `receiving`, or once it is committed. */
  readonly expiresAt: Date;
  readonly shape: UploadShape;
  readonly path: string;
  readonly lengthBytes: number | null;
  readonly offsetBytes: number;
  readonly metadata: string;
  /** Until when a request holds the upload; `null` when none does. */
  readonly writerUntil: Date | null;
  readonly finalId: string | null;
  readonly partIds: readonly string[] | null;
  /** `Upload-Concat` of what is joined from parts, as sent. */
  readonly concat: string | null;
  readonly permission: Permission;
  readonly isOwner: boolean;
}

const columns = {
  id: uploads.id,
  folderId: uploads.folderId,
  volume: folders.volume,
  actorId: uploads.actorId,
  state: uploads.state,
  reservedBytes: uploads.reservedBytes,
  jobId: uploads.jobId,
  expiresAt: uploads.leaseUntil,
  shape: resumableUploads.shape,
  path: resumableUploads.path,
  lengthBytes: resumableUploads.lengthBytes,
  offsetBytes: resumableUploads.offsetBytes,
  metadata: resumableUploads.metadata,
  writerUntil: resumableUploads.writerUntil,
  finalId: resumableUploads.finalId,
  partIds: resumableUploads.partIds,
  concat: resumableUploads.concat,
  permission: members.permission,
  isOwner: members.isOwner,
};

/** An upload made by `userId` into a live folder that they are a member of, else `null`. */
export async function findResumableUpload(
  db: Executor,
  upload: { readonly id: string; readonly userId: string },
): Promise<ResumableUpload | null> {
  const rows = await db
    .select(columns)
    .from(resumableUploads)
    .innerJoin(uploads, eq(uploads.id, resumableUploads.uploadId))
    .innerJoin(folders, and(eq(folders.id, uploads.folderId), eq(folders.state, 'active')))
    .innerJoin(members, and(eq(members.folderId, uploads.folderId), eq(members.userId, uploads.actorId)))
    .where(and(eq(uploads.id, upload.id), eq(uploads.actorId, upload.userId)));
  return rows[0] ?? null;
}

/** What a resumable upload begins with. */
export interface NewResumableUpload {
  readonly id: string;
  readonly shape: UploadShape;
  readonly path: string;
  readonly lengthBytes: number | null;
  readonly metadata: string;
  readonly concat?: string;
}

/** Adds what makes a reserved session a resumable one. Belongs into one transaction with the reservation. */
export async function insertResumableUpload(tx: Executor, upload: NewResumableUpload): Promise<void> {
  const { id: uploadId, ...values } = upload;
  await tx.insert(resumableUploads).values({ uploadId, ...values });
}

/** How many parts of a folder wait to be joined or go on; looks at its open sessions (`uploads_folder_open_idx`). */
export async function countOpenParts(db: Executor, folderId: string): Promise<number> {
  const [row] = await db.execute<{ total: number }>(sql`
    SELECT count(*)::int AS total FROM uploads JOIN resumable_uploads ON upload_id = uploads.id
    WHERE folder_id = ${folderId} AND state = 'receiving' AND shape = 'partial'`);
  return row?.total ?? 0;
}

/**
 * Says how long the upload is, once. Its writer does, for what that has received but not recorded may be longer already.
 * @returns false when it is known to be something else, or when somebody else has taken over
 */
export async function declareUploadLength(
  db: Executor,
  upload: WriterClaim & { readonly lengthBytes: number },
): Promise<boolean> {
  const rows = await db.execute(sql`
    UPDATE resumable_uploads SET length_bytes = ${upload.lengthBytes}::bigint
    WHERE upload_id = ${upload.id} AND fence = ${upload.fence} AND offset_bytes <= ${upload.lengthBytes}::bigint
      AND (length_bytes IS NULL OR length_bytes = ${upload.lengthBytes}::bigint)
    RETURNING upload_id`);
  return rows.length === 1;
}

/** The right to write to an upload, for as long as nobody has taken a higher fence. */
export interface UploadWriter {
  readonly fence: number;
  /** What has arrived; the last one is where to go on. */
  readonly segments: readonly UploadSegment[];
  readonly lengthBytes: number | null;
  readonly reservedBytes: number;
  /** The next staged name that nobody has. */
  readonly ordinals: number;
}

/**
 * Makes the caller the one writer of an upload that has `offsetBytes`. After a writer that did not end properly it goes on
 * in a segment of its own, so that whatever the other still writes is never read.
 * @returns `null` when the offset is another, somebody else is writing, or the upload is no longer receiving
 */
export async function claimUploadWriter(
  db: Executor,
  upload: { readonly id: string; readonly offsetBytes: number },
): Promise<UploadWriter | null> {
  const rows = await db.execute<{
    fence: number;
    segments: UploadSegment[];
    lengthBytes: string | null;
    reservedBytes: string;
    ordinals: number;
  }>(sql`
    WITH u AS (
      UPDATE uploads SET lease_until = ${lifeEnd} WHERE id = ${upload.id} AND state = 'receiving'
      RETURNING id, reserved_bytes
    ), r AS (
      SELECT upload_id, ordinals, writer_until IS NOT NULL OR segments = '[]' AS starts_anew
      FROM resumable_uploads, u
      WHERE upload_id = u.id AND offset_bytes = ${upload.offsetBytes}::bigint AND shape <> 'final'
        AND (writer_until IS NULL OR writer_until <= now())
      FOR UPDATE OF resumable_uploads
    )
    UPDATE resumable_uploads
    SET fence = fence + 1, writer_until = ${writerEnd},
      ordinals = r.ordinals + r.starts_anew::int,
      segments = CASE WHEN r.starts_anew
        THEN segments || jsonb_build_array(
          jsonb_build_object('uploadId', r.upload_id, 'ordinal', r.ordinals, 'bytes', 0))
        ELSE segments END
    FROM r, u WHERE resumable_uploads.upload_id = r.upload_id
    RETURNING fence, segments, length_bytes AS "lengthBytes", u.reserved_bytes AS "reservedBytes",
      resumable_uploads.ordinals`);
  const row = rows[0];
  if (row === undefined) return null;
  return {
    ...row,
    lengthBytes: row.lengthBytes === null ? null : Number(row.lengthBytes),
    reservedBytes: Number(row.reservedBytes),
  };
}

/** Names a writer: later ones have a higher fence. */
export interface WriterClaim {
  readonly id: string;
  readonly fence: number;
}

/**
 * Asks whether a writer may go on: nobody took over, the upload is receiving, and its user may still write to the live
 * folder. `isActive` renews the lease; a writer whose client is silent lets it lapse, and keeps the upload while
 * nobody else wants it.
 */
export async function renewUploadWriter(
  db: Executor,
  writer: WriterClaim & { readonly isActive: boolean },
): Promise<boolean> {
  const rows = await db.execute(sql`
    UPDATE resumable_uploads
    SET writer_until = CASE WHEN ${writer.isActive}::boolean THEN ${writerEnd} ELSE writer_until END
    FROM uploads
    JOIN folders ON folders.id = uploads.folder_id AND folders.state = 'active'
    JOIN members ON members.folder_id = uploads.folder_id AND members.user_id = uploads.actor_id
    WHERE resumable_uploads.upload_id = ${writer.id} AND fence = ${writer.fence}
      AND uploads.id = resumable_uploads.upload_id AND uploads.state = 'receiving'
      AND (members.is_owner OR members.permission IN ('rw', 'rd'))
    RETURNING resumable_uploads.upload_id`);
  return rows.length === 1;
}

/** What a writer has synced. */
export interface UploadProgress extends WriterClaim {
  readonly offsetBytes: number;
  readonly segments: readonly UploadSegment[];
}

/**
 * Records what a writer has synced; `isLast` also ends its claim, which promises that its file is closed.
 * @returns false, and changes nothing, when somebody else has taken over or the upload is no longer receiving
 */
export async function recordUploadProgress(
  db: Executor,
  progress: UploadProgress & { readonly isLast: boolean },
): Promise<boolean> {
  const rows = await db.execute(sql`
    WITH u AS (
      UPDATE uploads SET lease_until = ${lifeEnd} WHERE id = ${progress.id} AND state = 'receiving'
      RETURNING id
    )
    UPDATE resumable_uploads
    SET offset_bytes = ${progress.offsetBytes}::bigint, segments = ${JSON.stringify(progress.segments)}::jsonb,
      writer_until = CASE WHEN ${progress.isLast}::boolean THEN NULL ELSE ${writerEnd} END
    FROM u WHERE upload_id = u.id AND fence = ${progress.fence}
    RETURNING upload_id`);
  return rows.length === 1;
}

/** Gives an upload back. Without `isClosed` the next writer starts a segment of its own. A no-op for an old fence. */
export async function releaseUploadWriter(
  db: Executor,
  writer: WriterClaim & { readonly isClosed: boolean },
): Promise<void> {
  await db.execute(sql`
    UPDATE resumable_uploads
    SET writer_until = CASE WHEN ${writer.isClosed}::boolean THEN NULL ELSE now() END
    WHERE upload_id = ${writer.id} AND fence = ${writer.fence} AND writer_until IS NOT NULL`);
}

/** Gives out one more staged name of an upload. @returns its ordinal */
export async function takeUploadOrdinal(tx: Executor, uploadId: string): Promise<number> {
  const rows = await tx.execute<{ ordinal: number }>(sql`
    UPDATE resumable_uploads SET ordinals = ordinals + 1 WHERE upload_id = ${uploadId}
    RETURNING ordinals - 1 AS ordinal`);
  return rows[0]?.ordinal ?? 0;
}

/** A part as the joining of parts needs it; locked against change until the transaction ends. */
export interface UploadPart {
  readonly id: string;
  readonly state: UploadState;
  readonly folderId: string;
  readonly shape: UploadShape;
  readonly lengthBytes: number | null;
  readonly offsetBytes: number;
  readonly segments: readonly UploadSegment[];
  readonly finalId: string | null;
}

/** Locks the named uploads of a user, in the order of their ids; those that do not exist are missing from the answer. */
export async function lockUploadParts(
  tx: Executor,
  parts: { readonly ids: readonly string[]; readonly userId: string },
): Promise<Map<string, UploadPart>> {
  const rows = await tx.execute<
    Omit<UploadPart, 'lengthBytes' | 'offsetBytes'> & { lengthBytes: string | null; offsetBytes: string }
  >(sql`
    SELECT uploads.id, state, folder_id AS "folderId", shape, length_bytes AS "lengthBytes",
      offset_bytes AS "offsetBytes", segments, final_id AS "finalId"
    FROM uploads JOIN resumable_uploads ON upload_id = uploads.id
    WHERE actor_id = ${parts.userId}
      AND uploads.id IN (SELECT jsonb_array_elements_text(${JSON.stringify(parts.ids)}::jsonb)::uuid)
    ORDER BY uploads.id FOR UPDATE`);
  const entries = rows.map((row): [string, UploadPart] => [
    row.id,
    {
      ...row,
      lengthBytes: row.lengthBytes === null ? null : Number(row.lengthBytes),
      offsetBytes: Number(row.offsetBytes),
    },
  ]);
  return new Map(entries);
}

/**
 * Makes the bytes of locked, complete parts those of `finalId`, with what is reserved for them. The parts end as committed
 * and have nothing left that could be cleaned up.
 */
export async function joinUploadParts(
  tx: Executor,
  join: {
    readonly finalId: string;
    readonly partIds: readonly string[];
    readonly segments: readonly UploadSegment[];
  },
): Promise<void> {
  const partIds = JSON.stringify(join.partIds);
  await tx.execute(sql`
    WITH parts AS (
      SELECT id, reserved_bytes FROM uploads
      WHERE id IN (SELECT jsonb_array_elements_text(${partIds}::jsonb)::uuid)
    ), ended AS (
      UPDATE uploads SET state = 'committed', finished_at = now(), reserved_bytes = 0
      FROM parts WHERE uploads.id = parts.id
    ), marked AS (
      UPDATE resumable_uploads SET final_id = ${join.finalId}, segments = '[]'
      FROM parts WHERE upload_id = parts.id
    ), kept AS (
      UPDATE resumable_uploads
      SET segments = ${JSON.stringify(join.segments)}::jsonb, part_ids = ${partIds}::jsonb
      WHERE upload_id = ${join.finalId}
    )
    UPDATE uploads SET reserved_bytes = reserved_bytes + (SELECT coalesce(sum(reserved_bytes), 0) FROM parts)
    WHERE id = ${join.finalId}`);
}

/** What is left of an upload in pieces, or `null` for one that came in a single request. */
export async function findUploadSegments(
  db: Executor,
  uploadId: string,
): Promise<readonly UploadSegment[] | null> {
  const rows = await db
    .select({ segments: resumableUploads.segments })
    .from(resumableUploads)
    .where(eq(resumableUploads.uploadId, uploadId));
  return rows[0]?.segments ?? null;
}

/** Notes what is left in pieces while they are joined, or what they became. */
export async function updateUploadSegments(
  tx: Executor,
  uploadId: string,
  segments: readonly UploadSegment[],
): Promise<void> {
  await tx.update(resumableUploads).set({ segments }).where(eq(resumableUploads.uploadId, uploadId));
}

/** Notes the digests of a staged file that was read as a whole, and its inode. */
export async function noteStagedContent(
  tx: Executor,
  file: { readonly uploadId: string; readonly ordinal: number },
  content: {
    readonly sha256: string;
    readonly crc32: number;
    readonly inode: string;
    readonly version: string;
  },
): Promise<void> {
  await tx
    .update(uploadFiles)
    .set(content)
    .where(and(eq(uploadFiles.uploadId, file.uploadId), eq(uploadFiles.ordinal, file.ordinal)));
}

/** Forgets a committed upload; its file stays. */
export async function deleteResumableUpload(db: Executor, uploadId: string): Promise<void> {
  await db.delete(resumableUploads).where(eq(resumableUploads.uploadId, uploadId));
}

/** Every name under which bytes of a session may be staged, for the clean-up. */
export async function listStageIds(db: Executor, uploadId: string): Promise<string[]> {
  const rows = await db.execute<{ ordinalsEnd: number; segments: readonly UploadSegment[] | null }>(sql`
    SELECT greatest(reserved_files + replacing_files, ordinals, (
        SELECT coalesce(max(ordinal) + 1, 0) FROM upload_files WHERE upload_files.upload_id = uploads.id
      )) AS "ordinalsEnd", segments
    FROM uploads LEFT JOIN resumable_uploads ON resumable_uploads.upload_id = uploads.id
    WHERE uploads.id = ${uploadId}`);
  return rows.flatMap(({ ordinalsEnd, segments }) => [
    ...Array.from({ length: ordinalsEnd }, (_, ordinal) => stageIdOf(uploadId, ordinal)),
    ...(segments ?? []).map((segment) => stageIdOf(segment.uploadId, segment.ordinal)),
  ]);
}
