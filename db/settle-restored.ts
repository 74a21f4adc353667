import type { TransactionSql } from 'postgres';

/** What was found of a folder once its files were back. */
export interface RestoredFolder {
  readonly id: string;
  readonly bytes: number;
  readonly files: number;
  readonly directories: number;
  /** It was deleted while the backup was made; nothing of it is left. */
  readonly isGone: boolean;
}

/** A staged file that is back, under the inode that it has at its new place. */
export interface RestoredStage {
  readonly uploadId: string;
  readonly ordinal: number;
  readonly inode: string;
  readonly version: string;
}

/** A file that was staged and read when the snapshot was taken, and not yet in its place. */
export interface StagedName {
  readonly folderId: string;
  readonly uploadId: string;
  readonly ordinal: number;
}

/** What is known of the files that are back. */
export interface RestoredFiles {
  readonly folders: readonly RestoredFolder[];
  /** Uploads that ended between the rows and the files. */
  readonly endedUploads: readonly string[];
  /** Uploads that were committed between the rows and the files. */
  readonly committedUploads: readonly string[];
  readonly findStages: (staged: readonly StagedName[]) => Promise<readonly RestoredStage[]>;
}

async function settleFolders(tx: TransactionSql, folders: readonly RestoredFolder[]): Promise<void> {
  const present = folders.filter(({ isGone }) => !isGone);
  // Trash is not brought back, but a purge that has counted it gives back what it counted.
  await tx`
    WITH shares AS (
      SELECT folder_id, sum((checkpoint->'measured'->>'bytes')::bigint) AS bytes,
        sum((checkpoint->'measured'->>'files')::bigint) AS files,
        sum(coalesce((checkpoint->'measured'->>'directories')::bigint, 0)) AS directories
      FROM jobs
      WHERE kind = 'trash.purge' AND state IN ('queued', 'running') AND checkpoint->'measured' IS NOT NULL
      GROUP BY folder_id
    )
    UPDATE folders SET used_bytes = found.bytes, used_files = found.files, mutation_seq = mutation_seq + 1,
      trash_bytes = coalesce(shares.bytes, 0), trash_files = coalesce(shares.files, 0),
      directories = found.directories + coalesce(shares.directories, 0)
        + (SELECT coalesce(sum(copies.directories), 0) FROM copies WHERE folder_id = folders.id),
      usage_as_of = now(), usage_due_at = now()
    FROM jsonb_to_recordset(${JSON.stringify(present)}::text::jsonb) AS found(id uuid, bytes bigint, files bigint, directories bigint)
      LEFT JOIN shares ON shares.folder_id = found.id
    WHERE folders.id = found.id AND state IN ('active', 'trashed')`;
  const gone = folders.filter(({ isGone }) => isGone).map(({ id }) => id);
  await tx`DELETE FROM members WHERE folder_id = ANY(${gone}::uuid[])`;
  await tx`
    UPDATE invitations SET state = 'cancelled', answered_at = now()
    WHERE folder_id = ANY(${gone}::uuid[]) AND state = 'pending'`;
  await tx`
    UPDATE folders SET state = 'purged', deleted_at = now(), purge_at = NULL, used_bytes = 0, used_files = 0,
      trash_bytes = 0, trash_files = 0, reserved_bytes = 0, reserved_files = 0, directories = 0
    WHERE id = ANY(${gone}::uuid[])`;
}

/**
 * A commit that was under way had noted what its files replace, or did so before the tree was copied. A file that is still
 * staged is looked at anew, for it may lie in the tree as well. One that is not was renamed before the tree was copied, and is
 * part of what was counted, or was deleted again: either way its end changes no usage.
 */
async function settleUploads(
  tx: TransactionSql,
  { findStages, committedUploads }: Pick<RestoredFiles, 'findStages' | 'committedUploads'>,
): Promise<void> {
  const staged = await tx<StagedName[]>`
    SELECT u.folder_id AS "folderId", f.upload_id AS "uploadId", f.ordinal
    FROM upload_files f JOIN uploads u ON u.id = f.upload_id WHERE u.state = 'staged' AND f.sha256 IS NOT NULL`;
  const stages = await findStages(staged.map((row) => ({ ...row })));
  await tx`
    UPDATE upload_files
    SET replaced_bytes = size_bytes, replaced_files = 1, replaced_inode = NULL, inode = '', version = NULL
    FROM uploads
    WHERE uploads.id = upload_id AND uploads.state = 'staged' AND (replaced_bytes IS NOT NULL OR (sha256 IS NOT NULL
      AND uploads.id IN (SELECT jsonb_array_elements_text(${JSON.stringify(committedUploads)}::text::jsonb)::uuid)))`;
  await tx`
    UPDATE upload_files
    SET inode = found.inode, version = found.version, replaced_bytes = NULL, replaced_files = NULL, replaced_inode = NULL
    FROM jsonb_to_recordset(${JSON.stringify(stages)}::text::jsonb)
      AS found("uploadId" uuid, ordinal int, inode text, version text)
    WHERE upload_files.upload_id = found."uploadId" AND upload_files.ordinal = found.ordinal`;
}

/** Their clients do not come again, and what was staged for them has become a file or is gone. */
async function giveUpEnded(tx: TransactionSql, uploadIds: readonly string[]): Promise<void> {
  await tx`
    UPDATE uploads SET state = 'aborting', lease_until = now()
    WHERE state = 'receiving' AND id IN (SELECT jsonb_array_elements_text(${JSON.stringify(uploadIds)}::text::jsonb)::uuid)`;
}

/**
 * Copies and moves had noted what to finish by inode; they decide anew, for a staged tree is not brought back. Nor is the trash of a
 * purge that failed: another run must not give back what it had counted.
 */
async function settleJobs(tx: TransactionSql): Promise<void> {
  await tx`
    UPDATE jobs SET checkpoint = NULL
    WHERE kind = 'trash.purge' AND state IN ('failed', 'cancelled') AND checkpoint IS NOT NULL`;
  await tx`
    UPDATE jobs SET checkpoint = NULL
    WHERE kind IN ('entries.copy', 'entry.move') AND state IN ('queued', 'running') AND checkpoint IS NOT NULL`;
}

/** What a restore changes in the rows, because files have other inodes and trees are what they are. */
export async function settleRestored(tx: TransactionSql, files: RestoredFiles): Promise<void> {
  await settleFolders(tx, files.folders);
  await settleUploads(tx, files);
  await giveUpEnded(tx, files.endedUploads);
  await settleJobs(tx);
}
