import assert from 'node:assert/strict';
import { uuidv7 } from 'uuidv7';
import type { Executor } from '../../db/client.ts';
import { insertAudit } from '../../db/queries/audit.ts';
import { lockFolderAllowance } from '../../db/queries/folders.ts';
import { findMemberFolder } from '../../db/queries/members.ts';
import {
  countMountSessions,
  type EndedMount,
  endMountSession,
  endMountSessionById,
  findMountSession,
  holdFolders,
  holdMountedFolders,
  insertMountSession,
  listMountSessions,
  type MountSession,
  type MountSessionReference,
  type NewMount,
  renewMountSession,
} from '../../db/queries/mounts.ts';
import { parseEntryPath } from '../../domain/entry-path.ts';
import { type DomainError, domainError, isDomainError } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import {
  mountLeaseSeconds,
  mountSessionPattern,
  mountSessionsMax,
  mountsReadOnly,
  parseMountAlias,
  readMountWish,
} from '../../domain/mount.ts';
import { endAndCount } from '../../jobs/count-ended.ts';
import { requireUserId } from '../admin/operations.ts';
import { type FolderAccess, folderNotFound, folderVolume, loadFolder } from '../authorize.ts';
import { readFolderFilter } from '../http/folder-filter.ts';
import { readIdCursor } from '../http/id-cursor.ts';
import type { Operator } from '../operator.ts';
import type { Services } from '../services.ts';

type MountServices = Pick<Services, 'db' | 'jobs'>;

/** What a session is to mount. `folders` are `name` or `name:alias`, by name or id. */
export interface MountRequest {
  readonly userId: string;
  readonly session: string;
  readonly folders: readonly string[];
  readonly isReadOnly: boolean;
  readonly leaseSeconds: number | undefined;
}

interface Wish {
  readonly folder: FolderAccess;
  readonly alias: string;
}

/** How many sessions of a name may lapse while another one is begun under it: each of them lasted half a minute. */
const lapsedMax = 5;

function mountsDiffer(): DomainError {
  return domainError('mounts_differ', 'The session has other mounts: end them first.');
}

function sessionNotFound(): DomainError {
  return domainError('not_found', 'No session of that name has anything mounted.');
}

function refuseWish(at: number, detail: string): DomainError {
  return domainError('request_malformed', detail, { errors: [{ pointer: `/folders/${at}`, detail }] });
}

async function readWish(
  services: Pick<Services, 'db'>,
  userId: string,
  { text, at }: { readonly text: string; readonly at: number },
): Promise<Wish> {
  const { nameOrId, alias } = readMountWish(text);
  const folder = await loadFolder(services, { userId, nameOrId, right: 'read' });
  try {
    return { folder, alias: parseMountAlias(alias ?? folder.name) };
  } catch (error) {
    if (!isDomainError(error, 'name_invalid')) throw error;
    const how = alias === undefined ? ' Write the folder as "name:alias".' : '';
    throw refuseWish(at, `${error.message}${how}`);
  }
}

/** Finds what is wished for. @throws not_found; request_malformed naming the wish that cannot be granted */
async function readWishes(services: Pick<Services, 'db'>, request: MountRequest): Promise<Wish[]> {
  const wishes: Wish[] = [];
  for (const [at, text] of request.folders.entries()) {
    const wish = await readWish(services, request.userId, { text, at });
    if (wishes.some(({ folder }) => folder.id === wish.folder.id))
      throw refuseWish(at, 'A session mounts a folder once.');
    if (wishes.some(({ alias }) => alias === wish.alias))
      throw refuseWish(at, 'Two folders of a session have different aliases.');
    wishes.push(wish);
  }
  return wishes;
}

/** A directory that is missing would be made by whoever mounts it, outside the folder's realm. @throws volume_unavailable */
async function requirePresent(services: Pick<Services, 'volumes'>, folder: FolderAccess): Promise<void> {
  const root = parseEntryPath('', 'read');
  const stat = await folderVolume(services, folder)
    .stat(folder.id, root)
    .catch((error: unknown) => {
      if (isDomainError(error, 'entry_not_found')) return null;
      throw error;
    });
  if (stat !== null) return;
  throw domainError('volume_unavailable', 'The storage of this folder is not available at the moment.');
}

/** Decides by what the caller is to each folder now; none is deleted, unless by force, until the transaction ends. @throws not_found */
async function decideMounts(
  { jobs }: Pick<Services, 'jobs'>,
  tx: Executor,
  { userId, isReadOnly }: MountRequest,
  wishes: readonly Wish[],
): Promise<NewMount[]> {
  await holdFolders(
    tx,
    wishes.map(({ folder }) => folder.id),
  );
  const decided: NewMount[] = [];
  for (const { folder, alias } of wishes) {
    const { id: folderId, volume } = folder;
    const reference = { userId, name: folderId, folderId, right: 'read' } as const;
    const found = await findMemberFolder(tx, reference);
    if (found === null || found.id !== folderId) throw folderNotFound();
    const isKept = jobs.volumeStates.stateOf(volume) === 'read_only';
    const mount = { folderId, name: found.name, alias };
    decided.push({ ...mount, isReadOnly: isReadOnly || isKept || mountsReadOnly(found) });
  }
  return decided;
}

function isSame(present: readonly NewMount[], wanted: readonly NewMount[]): boolean {
  const mounted = new Map(present.map((mount) => [mount.folderId, mount]));
  return (
    present.length === wanted.length &&
    wanted.every(({ folderId, alias, isReadOnly }) => {
      const mount = mounted.get(folderId);
      return mount?.alias === alias && mount.isReadOnly === isReadOnly;
    })
  );
}

async function readBack(tx: Executor, reference: MountSessionReference): Promise<MountSession> {
  const session = await findMountSession(tx, reference);
  assert(session !== null, 'a lease that this transaction wrote is longer than it lasts');
  return session;
}

/** @returns `null` when an earlier session of the name, which has lapsed, is in the way */
async function recordSession(
  tx: Executor,
  request: MountRequest,
  mounts: readonly NewMount[],
): Promise<MountSession | null> {
  const { userId, session, leaseSeconds = mountLeaseSeconds.usual } = request;
  if ((await countMountSessions(tx, userId)) >= mountSessionsMax) {
    throw domainError('mount_limit_reached', `You may have ${mountSessionsMax} sessions with mounts.`);
  }
  const id = uuidv7();
  if (!(await insertMountSession(tx, { id, userId, session, leaseSeconds, mounts }))) return null;
  for (const { folderId, alias, isReadOnly } of mounts) {
    const details = { session, alias, isReadOnly };
    await insertAudit(tx, { actorId: userId, action: 'mount.begin', folderId, subject: id, details });
  }
  return await readBack(tx, { userId, session });
}

interface BegunMounts {
  readonly session: MountSession;
  readonly isNew: boolean;
}

/** @returns `null` as {@link recordSession} */
async function tryBegin(
  services: MountServices,
  request: MountRequest,
  wishes: readonly Wish[],
): Promise<BegunMounts | null> {
  const { userId, session: name, leaseSeconds } = request;
  const reference = { userId, session: name };
  return await services.db.transaction(async (tx) => {
    // One after the other, so that neither the name of a session nor the limit is decided on twice.
    await lockFolderAllowance(tx, userId);
    const mounts = await decideMounts(services, tx, request, wishes);
    const present = await findMountSession(tx, reference);
    if (present === null) {
      const session = await recordSession(tx, request, mounts);
      return session === null ? null : { session, isNew: true };
    }
    if (!isSame(present.mounts, mounts)) throw mountsDiffer();
    await renewMountSession(tx, { ...reference, leaseSeconds });
    return { session: await readBack(tx, reference), isNew: false };
  });
}

/**
 * Mounts folders for a compute session: all of them or none. From then on, and until the session is ended or its lease lapses, nobody
 * takes them away without saying so. The same request again finds the session, and its lease begins anew; anything else under the
 * name of a session that has mounts is refused. Needs `read` on each; without `delete` it is mounted read-only.
 * @returns the session, and whether it is new
 * @throws not_found, request_malformed, mounts_differ, mount_limit_reached, volume_unavailable
 */
export async function beginMounts(
  services: MountServices & Pick<Services, 'volumes'>,
  request: MountRequest,
): Promise<BegunMounts> {
  const { userId, session } = request;
  const wishes = await readWishes(services, request);
  for (const { folder } of wishes) await requirePresent(services, folder);
  for (let lapsed = 0; lapsed < lapsedMax; lapsed += 1) {
    const begun = await tryBegin(services, request, wishes);
    if (begun !== null) return begun;
    // By itself: who ends sessions waits for folders that they wrote to, and nothing that this holds may wait with it.
    await endAndCount(services, (tx) => endMountSession(tx, { userId, session, isLapsed: true }));
  }
  throw mountsDiffer();
}

/** The sessions of a user that have folders mounted, the oldest first. */
export async function listMounts(
  services: Pick<Services, 'db'>,
  userId: string,
): Promise<readonly MountSession[]> {
  return await listMountSessions(services.db, { userId, limit: mountSessionsMax });
}

function toReference({ userId, session }: MountSessionReference): MountSessionReference {
  if (!mountSessionPattern.test(session)) throw sessionNotFound();
  return { userId, session };
}

/** What a session has mounted. @throws not_found also when its lease has lapsed */
export async function readMounts(
  services: Pick<Services, 'db'>,
  request: MountSessionReference,
): Promise<MountSession> {
  const session = await findMountSession(services.db, toReference(request));
  if (session === null) throw sessionNotFound();
  return session;
}

/**
 * Has the lease of a session begin anew. A lease that has lapsed stays so: its folders may be gone already.
 * @returns what it has mounted, and whether it still may @throws not_found
 */
export async function renewMounts(
  services: Pick<Services, 'db'>,
  request: MountSessionReference & { readonly leaseSeconds: number | undefined },
): Promise<MountSession> {
  const reference = toReference(request);
  return await services.db.transaction(async (tx) => {
    await holdMountedFolders(tx, reference);
    const isRenewed = await renewMountSession(tx, { ...reference, leaseSeconds: request.leaseSeconds });
    if (!isRenewed) throw sessionNotFound();
    return await readBack(tx, reference);
  });
}

async function noteEnd(
  tx: Executor,
  by: Pick<Operator, 'actorId'> & Partial<Operator>,
  ended: readonly EndedMount[],
): Promise<void> {
  for (const { sessionId, session, folderId, alias } of ended) {
    const entry = { action: 'mount.end', folderId, subject: sessionId } as const;
    await insertAudit(tx, { ...by, ...entry, details: { session, alias } });
  }
}

/** Ends a session's mounts; folders that it may have written to are counted. @throws not_found when it has none, or had */
export async function endMounts(services: MountServices, request: MountSessionReference): Promise<void> {
  const reference = toReference(request);
  await endAndCount(services, async (tx) => {
    const ended = await endMountSession(tx, reference);
    if (ended.length === 0) throw sessionNotFound();
    await noteEnd(tx, { actorId: reference.userId }, ended);
    return ended;
  });
}

/** Which sessions an administrator asks for, as they wrote it. */
export interface MountListRequest {
  readonly user: string | undefined;
  readonly folder: string | undefined;
  readonly host: string | undefined;
  readonly cursor: string | undefined;
  readonly limit: number;
}

/** A page of the sessions of everybody, the oldest first. @throws not_found (no such user), request_malformed */
export async function readAllMounts(
  services: Pick<Services, 'db'>,
  { user, folder, host: volume, cursor, limit }: MountListRequest,
): Promise<{ readonly sessions: readonly MountSession[]; readonly nextCursor: string | null }> {
  const folderId = readFolderFilter(folder);
  const userId = await requireUserId(services.db, user);
  const filter = { userId, folderId, volume, afterId: readIdCursor(cursor) };
  const sessions = await listMountSessions(services.db, { ...filter, limit });
  return { sessions, nextCursor: sessions.length === limit ? (sessions.at(-1)?.id ?? null) : null };
}

/** Ends anybody's session: its next heartbeat finds none. @throws not_found */
export async function endAnyMounts(
  services: MountServices,
  { operator, id }: { readonly operator: Operator; readonly id: string },
): Promise<void> {
  const sessionId = parseId(id);
  if (sessionId === undefined) throw sessionNotFound();
  await endAndCount(services, async (tx) => {
    const ended = await endMountSessionById(tx, sessionId);
    if (ended.length === 0) throw sessionNotFound();
    await noteEnd(tx, operator, ended);
    return ended;
  });
}
