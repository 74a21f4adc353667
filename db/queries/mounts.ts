import { type SQL, sql } from 'drizzle-orm';
import { holdsRight, permissions } from '../../domain/permission.ts';
import type { Executor } from '../client.ts';
import { mountSessions } from '../schema/mount-sessions.ts';
import { mounts } from '../schema/mounts.ts';

/** A folder about to be mounted. `name` is the user's own name for it. */
export interface NewMount {
  readonly folderId: string;
  readonly name: string;
  readonly alias: string;
  readonly isReadOnly: boolean;
}

/** A folder that a session has mounted. */
export interface Mount extends NewMount {
  readonly volume: string;
  /**
   * The folder is gone or the user may no longer do what the mount lets them: it guards nothing any more where they are no member, or
   * switched off.
   */
  readonly isRevoked: boolean;
}

/** A compute session with folders mounted, whose lease has not lapsed. */
export interface MountSession {
  readonly id: string;
  readonly userId: string;
  readonly email: string;
  /** The user's own name for it. */
  readonly session: string;
  readonly leaseSeconds: number;
  readonly createdAt: Date;
  readonly expiresAt: Date;
  /** As they were asked for. */
  readonly mounts: readonly Mount[];
}

/** A compute session by its user and their name for it. */
export interface MountSessionReference {
  readonly userId: string;
  readonly session: string;
}

interface SessionRow extends Record<string, unknown> {
  readonly id: string;
  readonly userId: string;
  readonly email: string;
  readonly session: string;
  readonly leaseSeconds: number;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly mounts: readonly Mount[];
}

/** The permissions with which a folder may be mounted for writing; see `mountsReadOnly`. */
const writable = JSON.stringify(
  permissions.filter((permission) => holdsRight({ permission, isOwner: false }, 'delete')),
);

function toSession({ createdMs, expiresMs, ...session }: SessionRow): MountSession {
  return { ...session, createdAt: new Date(createdMs), expiresAt: new Date(expiresMs) };
}

async function listSessions(
  db: Executor,
  { where, limit }: { readonly where: SQL; readonly limit: number },
): Promise<MountSession[]> {
  const rows = await db.execute<SessionRow>(sql`
    SELECT s.id, s.user_id AS "userId", u.email, s.session, s.lease_seconds AS "leaseSeconds",
      (extract(epoch FROM s.created_at) * 1000)::double precision AS "createdMs",
      (extract(epoch FROM s.expires_at) * 1000)::double precision AS "expiresMs", (
        SELECT coalesce(jsonb_agg(jsonb_build_object('folderId', m.folder_id, 'name', m.name, 'alias', m.alias,
          'isReadOnly', m.is_read_only, 'volume', f.volume, 'isRevoked', NOT u.is_active OR f.state <> 'active'
            OR member.user_id IS NULL OR NOT (m.is_read_only OR member.is_owner
              OR jsonb_exists(${writable}::text::jsonb, member.permission))) ORDER BY m.ordinal), '[]')
        FROM mounts m JOIN folders f ON f.id = m.folder_id
        LEFT JOIN members member ON member.folder_id = m.folder_id AND member.user_id = s.user_id
        WHERE m.session_id = s.id) AS mounts
    FROM mount_sessions s JOIN users u ON u.id = s.user_id
    WHERE s.expires_at > now() AND ${where} ORDER BY s.id LIMIT ${limit}::int`);
  return rows.map(toSession);
}

/** The session, unless its lease has lapsed. Uses `mount_sessions_user_session_key`. */
export async function findMountSession(
  db: Executor,
  { userId, session }: MountSessionReference,
): Promise<MountSession | null> {
  const where = sql`s.user_id = ${userId}::uuid AND s.session = ${session}`;
  return (await listSessions(db, { where, limit: 1 }))[0] ?? null;
}

/** Which sessions are meant; `undefined` leaves a condition out. */
export interface MountFilter {
  readonly userId?: string | undefined;
  /** Those that have this folder mounted. */
  readonly folderId?: string | undefined;
  readonly volume?: string | undefined;
  /** Only later ones: pages by key. */
  readonly afterId?: string | undefined;
}

/** Up to `limit` sessions whose leases have not lapsed, the oldest first. */
export async function listMountSessions(
  db: Executor,
  { userId, folderId, volume, afterId, limit }: MountFilter & { readonly limit: number },
): Promise<MountSession[]> {
  const conditions = [
    userId === undefined ? undefined : sql`s.user_id = ${userId}::uuid`,
    folderId === undefined
      ? undefined
      : sql`EXISTS (SELECT FROM mounts m WHERE m.session_id = s.id AND m.folder_id = ${folderId}::uuid)`,
    volume === undefined
      ? undefined
      : sql`EXISTS (SELECT FROM mounts m JOIN folders f ON f.id = m.folder_id WHERE m.session_id = s.id AND f.volume = ${volume})`,
    afterId === undefined ? undefined : sql`s.id > ${afterId}::uuid`,
  ].filter((condition) => condition !== undefined);
  return await listSessions(db, { where: sql.join([sql`true`, ...conditions], sql` AND `), limit });
}

/** How many sessions of a user have folders mounted. The caller holds the user's row where it decides by that. */
export async function countMountSessions(tx: Executor, userId: string): Promise<number> {
  const [row] = await tx.execute<{ sessions: number }>(sql`
    SELECT count(*)::int AS sessions FROM mount_sessions WHERE user_id = ${userId}::uuid AND expires_at > now()`);
  return row?.sessions ?? 0;
}

/** What stands for a folder where mounts and deletions queue up: no row, for that one is also what every upload writes. */
function lockKey(folderId: SQL): SQL {
  return sql`hashtextextended((${folderId})::text, 0)`;
}

/** Everybody who takes several does so in one order. */
async function holdEach(tx: Executor, folderIds: SQL): Promise<void> {
  await tx.execute(sql`
    SELECT pg_advisory_xact_lock_shared(key)
    FROM (SELECT DISTINCT ${lockKey(sql`id`)} AS key FROM (${folderIds}) AS asked(id) ORDER BY key) AS keys`);
}

/**
 * Keeps folders from being deleted, unless by force, until the transaction ends. Waits for whoever is at it, or came before and waits;
 * what the next statement finds is what they left. Any number may hold a folder at the same time.
 */
export async function holdFolders(tx: Executor, folderIds: readonly string[]): Promise<void> {
  const given = JSON.stringify(folderIds);
  await holdEach(tx, sql`SELECT jsonb_array_elements_text(${given}::text::jsonb)::uuid`);
}

/**
 * As {@link holdFolders}, for those that a session guards: as in {@link countSessionsOnFolder}, so that whoever was a member keeps
 * nobody waiting.
 */
export async function holdMountedFolders(
  tx: Executor,
  { userId, session }: MountSessionReference,
): Promise<void> {
  await holdEach(
    tx,
    sql`SELECT m.folder_id FROM mount_sessions s JOIN mounts m ON m.session_id = s.id
      JOIN members member ON member.folder_id = m.folder_id AND member.user_id = s.user_id
      JOIN users u ON u.id = s.user_id AND u.is_active
      WHERE s.user_id = ${userId}::uuid AND s.session = ${session}`,
  );
}

/** Lets nobody hold a folder, and waits for those who do, until the transaction ends. Call it before the folder's row is locked. */
export async function lockOutMounts(tx: Executor, folderId: string): Promise<void> {
  await tx.execute(sql`SELECT pg_advisory_xact_lock(${lockKey(sql`${folderId}::uuid`)})`);
}

/**
 * Records a session with what it mounts. The caller holds the folders and the user's row.
 * @returns false when an earlier session of that name is there, which is to be ended before
 */
export async function insertMountSession(
  tx: Executor,
  session: MountSessionReference & {
    readonly id: string;
    readonly leaseSeconds: number;
    readonly mounts: readonly NewMount[];
  },
): Promise<boolean> {
  const { mounts: wanted, ...row } = session;
  const expiresAt = sql`now() + make_interval(secs => ${row.leaseSeconds}::int)`;
  const rows = await tx
    .insert(mountSessions)
    .values({ ...row, expiresAt })
    .onConflictDoNothing({ target: [mountSessions.userId, mountSessions.session] })
    .returning({ id: mountSessions.id });
  if (rows.length === 0) return false;
  await tx
    .insert(mounts)
    .values(wanted.map((mount, ordinal) => ({ ...mount, ordinal, sessionId: session.id })));
  return true;
}

/**
 * Has a lease that has not lapsed begin anew; without `leaseSeconds` for as long as before. The caller holds the folders.
 * @returns whether there was one
 */
export async function renewMountSession(
  tx: Executor,
  { userId, session, leaseSeconds }: MountSessionReference & { readonly leaseSeconds?: number | undefined },
): Promise<boolean> {
  const seconds = sql`coalesce(${leaseSeconds ?? null}::int, lease_seconds)`;
  const rows = await tx.execute(sql`
    UPDATE mount_sessions SET lease_seconds = ${seconds}, expires_at = now() + make_interval(secs => ${seconds})
    WHERE user_id = ${userId}::uuid AND session = ${session} AND expires_at > now() RETURNING id`);
  return rows.length > 0;
}

/** A mount that has ended. */
export interface EndedMount {
  readonly sessionId: string;
  readonly userId: string;
  readonly session: string;
  readonly folderId: string;
  readonly volume: string;
  readonly alias: string;
  /** The session may have written, so what is recorded of the folder's usage is out of date. */
  readonly isToCount: boolean;
}

/** Ends sessions with their mounts. @returns those, of which every session has one at least */
async function endSessions(tx: Executor, which: SQL): Promise<EndedMount[]> {
  const rows = await tx.execute<EndedMount & Record<string, unknown>>(sql`
    WITH ended AS (DELETE FROM mount_sessions WHERE ${which} RETURNING id, user_id, session)
    SELECT ended.id AS "sessionId", ended.user_id AS "userId", ended.session, m.folder_id AS "folderId", m.alias, f.volume,
      NOT m.is_read_only AND f.state = 'active' AS "isToCount"
    FROM ended JOIN mounts m ON m.session_id = ended.id JOIN folders f ON f.id = m.folder_id
    ORDER BY ended.id, m.ordinal`);
  return [...rows];
}

/** Ends the session of a user, lapsed or not; or only if it has lapsed. */
export async function endMountSession(
  tx: Executor,
  { userId, session, isLapsed }: MountSessionReference & { readonly isLapsed?: true },
): Promise<EndedMount[]> {
  const lapsed = isLapsed === true ? sql`expires_at <= now()` : sql`true`;
  return await endSessions(tx, sql`user_id = ${userId}::uuid AND session = ${session} AND ${lapsed}`);
}

/** Ends a session, by its id. */
export async function endMountSessionById(tx: Executor, id: string): Promise<EndedMount[]> {
  return await endSessions(tx, sql`id = ${id}::uuid`);
}

/** Ends up to `limit` sessions whose leases have lapsed. Uses `mount_sessions_expires_idx`. */
export async function endLapsedMountSessions(tx: Executor, limit: number): Promise<EndedMount[]> {
  return await endSessions(
    tx,
    sql`id IN (SELECT id FROM mount_sessions WHERE expires_at <= now() ORDER BY expires_at LIMIT ${limit}::int FOR UPDATE SKIP LOCKED)`,
  );
}

/**
 * How many sessions of its owner and its members have a folder mounted, those of users who are switched off left out. To decide by
 * that, {@link lockOutMounts} in a statement before: what a mount that was under way then recorded is seen by this one. Uses
 * `mounts_folder_idx`.
 */
export async function countSessionsOnFolder(tx: Executor, folderId: string): Promise<number> {
  const [row] = await tx.execute<{ sessions: number }>(sql`
    SELECT count(*)::int AS sessions FROM mounts m
    JOIN mount_sessions s ON s.id = m.session_id AND s.expires_at > now()
    JOIN members member ON member.folder_id = m.folder_id AND member.user_id = s.user_id
    JOIN users u ON u.id = s.user_id AND u.is_active
    WHERE m.folder_id = ${folderId}::uuid`);
  return row?.sessions ?? 0;
}

/** The folders that sessions have mounted at the moment, by volume; one that several have counts for each. */
export async function countMounts(
  db: Executor,
): Promise<{ readonly volume: string; readonly mounts: number }[]> {
  return await db.execute<{ volume: string; mounts: number }>(sql`
    SELECT f.volume, count(*)::int AS mounts FROM mount_sessions s
    JOIN mounts m ON m.session_id = s.id JOIN folders f ON f.id = m.folder_id
    WHERE s.expires_at > now() GROUP BY f.volume`);
}
