import {
  type EntryPath,
  formatEntryPath,
  isWithin,
  parseEntryPath,
  parseNamedEntryPath,
  splitEntryPath,
} from '../../domain/entry-path.ts';
import { domainError } from '../../domain/errors.ts';
import { type FolderAccess, folderVolume, loadFolder, writableVolume } from '../authorize.ts';
import type { Services } from '../services.ts';
import { requireReach } from '../volumes/require-reach.ts';

type EntryServices = Pick<Services, 'db' | 'volumes' | 'jobs'>;

/** What is to be moved where, as the caller wrote it. `to` may be a directory, which takes the entry in. */
export interface MoveRequest {
  readonly userId: string;
  readonly nameOrId: string;
  readonly from: string;
  readonly to: string;
}

/** An entry and its new name, as the caller wrote them. */
export interface RenameRequest {
  readonly userId: string;
  readonly nameOrId: string;
  readonly path: string;
  readonly newName: string;
}

function withoutSlash(raw: string): string {
  return raw.length > 1 && raw.endsWith('/') ? raw.slice(0, -1) : raw;
}

/** A path to put something at or into; only the root may be written in the ways that reads allow. */
function parseTarget(raw: string): EntryPath {
  const isRoot = raw === '' || raw === '.' || raw === './' || raw === '/';
  return isRoot ? parseEntryPath('', 'read') : parseNamedEntryPath(withoutSlash(raw), 'write');
}

/** What to copy where: as a move, or from another folder, by its name or id. */
export interface CopyRequest extends MoveRequest {
  readonly fromFolder: string | undefined;
}

/** What to do with one entry, parsed. */
interface Placing {
  readonly kind: 'entry.move' | 'entries.copy';
  /** The folder that `from` is in, unless it is the same. */
  readonly fromFolder?: string | undefined;
  readonly userId: string;
  readonly nameOrId: string;
  readonly from: EntryPath;
  readonly to: EntryPath;
  readonly into: boolean;
}

/** The folder to copy from; `folder` itself, also when it is named by another of its names. @throws not_found */
async function loadSource(
  services: EntryServices,
  folder: FolderAccess,
  { userId, fromFolder }: Placing,
): Promise<FolderAccess> {
  if (fromFolder === undefined) return folder;
  const source = await loadFolder(services, { userId, nameOrId: fromFolder, right: 'read' });
  return source.id === folder.id ? folder : source;
}

async function startPlacing(services: EntryServices, placing: Placing): Promise<string> {
  const { kind, userId, nameOrId, from, to, into } = placing;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'write' });
  // Who cannot reach the folder itself is told so before anything is read.
  writableVolume(services, folder);
  const source = await loadSource(services, folder, placing);
  const isElsewhere = source !== folder;
  if (!isElsewhere && isWithin(from, to)) {
    throw domainError('entry_conflict', 'An entry cannot go to itself or into itself.');
  }
  if ((await folderVolume(services, source).stat(source.id, from)) === null) {
    throw domainError('entry_not_found', `"${formatEntryPath(from)}" does not exist.`);
  }
  await requireReach(services, { volume: folder.volume, sourceVolume: source.volume });
  const placed = { from: formatEntryPath(from), to: formatEntryPath(to), into };
  const jobId = await services.jobs.enqueue(services.db, {
    kind,
    payload: isElsewhere ? { ...placed, sourceId: source.id } : placed,
    volume: folder.volume,
    folderId: folder.id,
    actorId: userId,
  });
  services.jobs.dispatch([jobId]);
  return jobId;
}

/**
 * Moves an entry inside its folder as shutil.move does: into `to` when that is a directory, else to that very name,
 * whose directory must exist. Never replaces anything. Needs `write`.
 * @returns the id of the `entry.move` job, which reports the path the entry has then
 * @throws not_found, path_invalid, entry_not_found, entry_conflict (into itself); the job the latter two as well
 */
export async function moveEntry(services: EntryServices, request: MoveRequest): Promise<string> {
  const from = parseNamedEntryPath(withoutSlash(request.from), 'read');
  return startPlacing(services, {
    ...request,
    kind: 'entry.move',
    from,
    to: parseTarget(request.to),
    into: true,
  });
}

/**
 * Gives an entry another name in the directory it is in. Never replaces anything. Needs `write`.
 * @returns as {@link moveEntry} @throws as {@link moveEntry}; path_invalid also when the new name is no single name
 */
export async function renameEntry(services: EntryServices, request: RenameRequest): Promise<string> {
  const from = parseNamedEntryPath(withoutSlash(request.path), 'read');
  const [name, ...rest] = parseNamedEntryPath(request.newName, 'write');
  if (name === undefined || rest.length > 0) {
    throw domainError('path_invalid', 'The new name is one name without "/".');
  }
  const to = parseNamedEntryPath([...splitEntryPath(from).parent, name].join('/'), 'read');
  return startPlacing(services, { ...request, kind: 'entry.move', from, to, into: false });
}

/**
 * Copies an entry with everything below it, inside its folder or from another one: into `to` when that is a directory, else
 * to that very name, whose directory must exist. Never replaces anything. Needs `write`, and `read` of the other folder.
 * @returns the id of the `entries.copy` job, which reports path, bytes, files and what was left out
 * @throws as {@link moveEntry}; the job also quota_exceeded, entry_not_regular (a link or the like)
 */
export async function copyEntry(services: EntryServices, request: CopyRequest): Promise<string> {
  const from = parseNamedEntryPath(withoutSlash(request.from), 'read');
  const to = parseTarget(request.to);
  return startPlacing(services, { ...request, kind: 'entries.copy', from, to, into: true });
}
