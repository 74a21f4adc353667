import assert from 'node:assert/strict';
import { and, eq, gt, sql } from 'drizzle-orm';
import type { ArchiveUse } from '../../domain/archive-limits.ts';
import type { Executor } from '../client.ts';
import { archives } from '../schema/archives.ts';
import { folders } from '../schema/folders.ts';
import { members } from '../schema/members.ts';
import { users } from '../schema/users.ts';

/** An archive that can be downloaded. */
export interface ArchiveRecord {
  readonly id: string;
  readonly folderId: string;
  readonly volume: string;
  readonly format: 'zip' | 'tar' | 'tar.gz';
  readonly fileName: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly expiresAt: Date;
}

/** An archive to record. Its id is that of the job that built it. */
export interface NewArchive extends Omit<ArchiveRecord, 'expiresAt'> {
  readonly actorId: string;
  readonly expiresInHours: number;
}

/** Records an archive, or replaces what an earlier run of the same job recorded. */
export async function upsertArchive(db: Executor, archive: NewArchive): Promise<void> {
  const { expiresInHours, ...values } = archive;
  const row = { ...values, expiresAt: sql`now() + make_interval(hours => ${expiresInHours})` };
  await db.insert(archives).values(row).onConflictDoUpdate({ target: archives.id, set: row });
}

/**
 * The archive, for the user who asked for it, while it has not expired and that user is a member of the live folder it
 * was made from; else `null`. Every permission includes reading.
 */
export async function findArchive(
  db: Executor,
  query: { readonly archiveId: string; readonly userId: string },
): Promise<ArchiveRecord | null> {
  const rows = await db
    .select({
      id: archives.id,
      folderId: archives.folderId,
      volume: archives.volume,
      format: archives.format,
      fileName: archives.fileName,
      sizeBytes: archives.sizeBytes,
      sha256: archives.sha256,
      expiresAt: archives.expiresAt,
    })
    .from(archives)
    .innerJoin(members, and(eq(members.folderId, archives.folderId), eq(members.userId, archives.actorId)))
    .innerJoin(folders, and(eq(folders.id, archives.folderId), eq(folders.state, 'active')))
    .where(
      and(
        eq(archives.id, query.archiveId),
        eq(archives.actorId, query.userId),
        gt(archives.expiresAt, sql`now()`),
      ),
    );
  return rows[0] ?? null;
}

/** Ids of archives of a volume that nobody may download any more: past their time, or of a folder that is deleted. */
export async function listExpiredArchives(
  db: Executor,
  query: { readonly volume: string; readonly limit: number },
): Promise<string[]> {
  const rows = await db.execute<{ id: string }>(sql`
    SELECT a.id FROM archives AS a JOIN folders AS f ON f.id = a.folder_id
    WHERE a.volume = ${query.volume} AND (a.expires_at <= now() OR f.state <> 'active')
    ORDER BY a.expires_at LIMIT ${query.limit}`);
  return rows.map((row) => row.id);
}

/**
 * What a user's archives come to, with the user's row locked until the transaction ends, so that requests of one user are
 * decided one after the other. Archives past their time count until they are removed. Indexes `archives_actor_idx` and
 * `jobs_actor_open_idx`.
 */
export async function lockArchiveUse(tx: Executor, userId: string): Promise<ArchiveUse> {
  await tx.select({ id: users.id }).from(users).where(eq(users.id, userId)).for('no key update');
  const [row] = await tx.execute<{ open: number; stored: number; bytes: string }>(sql`
    SELECT count(*)::int AS stored, coalesce(sum(size_bytes), 0) AS bytes, (
      SELECT count(*)::int FROM jobs
      WHERE actor_id = ${userId} AND kind = 'archive.build' AND state IN ('queued', 'running')
    ) AS open
    FROM archives WHERE actor_id = ${userId}`);
  assert(row, 'an aggregate answers one row');
  return { open: row.open, stored: row.stored, storedBytes: Number(row.bytes) };
}

/** The volume of an archive of the user's own, expired or not, or `null`. */
export async function findOwnArchiveVolume(
  db: Executor,
  query: { readonly archiveId: string; readonly userId: string },
): Promise<string | null> {
  const rows = await db
    .select({ volume: archives.volume })
    .from(archives)
    .where(and(eq(archives.id, query.archiveId), eq(archives.actorId, query.userId)));
  return rows[0]?.volume ?? null;
}

/** Forgets an archive. Missing is fine. */
export async function deleteArchive(db: Executor, archiveId: string): Promise<void> {
  await db.delete(archives).where(eq(archives.id, archiveId));
}

/** Those of `ids` that somebody still counts on: recorded archives, and unfinished jobs that are building one. */
export async function listLiveArchiveIds(db: Executor, ids: readonly string[]): Promise<Set<string>> {
  const rows = await db.execute<{ id: string }>(sql`
    WITH wanted AS (SELECT jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb)::uuid AS id)
    SELECT id FROM archives WHERE id IN (SELECT id FROM wanted)
    UNION
    SELECT id FROM jobs WHERE id IN (SELECT id FROM wanted) AND state IN ('queued', 'running')`);
  return new Set(rows.map((row) => row.id));
}

/** The database's clock, which ages of stored files are compared with. */
export async function readDatabaseTime(db: Executor): Promise<Date> {
  const [row] = await db.execute<{ ms: number }>(
    sql`SELECT (extract(epoch FROM now()) * 1000)::float8 AS ms`,
  );
  assert(row, 'SELECT without FROM answers one row');
  return new Date(row.ms);
}
