import { countDirectories } from '../../../db/directory-count.ts';
import { type EntryPath, parseEntryPath, parseNamedEntryPath } from '../../../domain/entry-path.ts';
import { type DomainError, domainError, type FieldError, isDomainError } from '../../../domain/errors.ts';
import type { EntryStat, ListPage, SortOrder, Volume } from '../../../storage/volume.ts';
import { folderVolume, loadFolder, writableVolume } from '../../authorize.ts';
import type { Services } from '../../services.ts';
import { sortByName } from './sort-by-name.ts';

type FileServices = Pick<Services, 'db' | 'volumes' | 'jobs' | 'uploads'>;

/** Most entries of one page of a listing, and how many there are unless the caller says otherwise. */
export const listLimitMax = 1000;

/** Most directories made by one request. */
export const directoriesMax = 50;

/** A directory to list, and which part of it. `limit` is 1–{@link listLimitMax}; `cursor` comes from the page before. */
export interface ListRequest {
  readonly userId: string;
  readonly nameOrId: string;
  readonly path: string;
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly sort?: SortOrder | undefined;
}

/** Directories to make, as the caller wrote them. */
export interface MakeDirectoriesRequest {
  readonly userId: string;
  readonly nameOrId: string;
  readonly paths: readonly string[];
  readonly parents: boolean;
  readonly existOk: boolean;
}

/** How one directory of a list went: `msg` is `null` for those that are there now, else why not. */
export interface DirectoryResult {
  readonly item: string;
  readonly msg: string | null;
}

/** Directories that are there now, and those that could not be made. */
export interface DirectoryResults {
  readonly success: readonly DirectoryResult[];
  readonly failed: readonly DirectoryResult[];
}

/**
 * One page of a directory. Without `sort` the order is the directory's own, except that a directory of a single page
 * comes by name. Needs `read`.
 * @throws not_found, path_invalid, entry_not_found (also for a path that is or leads through anything but a
 *   directory), request_malformed (cursor, or too many entries to sort), volume_unavailable
 */
export async function listFiles(services: FileServices, request: ListRequest): Promise<ListPage> {
  const { userId, nameOrId, path, ...page } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'read' }, services.uploads.find);
  return listIn(folderVolume(services, folder), folder.id, { ...page, path: parseEntryPath(path, 'read') });
}

/** As {@link listFiles}, in a folder that was loaded already. */
export async function listIn(
  volume: Pick<Volume, 'list' | 'listSorted'>,
  folderId: string,
  {
    path,
    limit,
    cursor,
    sort,
  }: Pick<ListRequest, 'limit' | 'cursor' | 'sort'> & { readonly path: EntryPath },
): Promise<ListPage> {
  if (sort !== undefined) {
    return listDirectory(() =>
      volume.listSorted(folderId, path, { order: sort, limit, ...(cursor === undefined ? {} : { cursor }) }),
    );
  }
  const page = await listDirectory(() =>
    volume.list(folderId, path, { limit, ...(cursor === undefined ? {} : { cursor }) }),
  );
  const isWhole = cursor === undefined && page.nextCursor === null;
  return isWhole ? { ...page, entries: sortByName(page.entries) } : page;
}

/** An entry that is there, and where. */
export interface StatedEntry {
  readonly path: EntryPath;
  readonly stat: EntryStat;
}

/**
 * Looks at one entry of any kind, the folder's own directory for the empty path. Links are not followed. Needs `read`.
 * @throws not_found, path_invalid, entry_not_found, volume_unavailable
 */
export async function statEntry(
  services: FileServices,
  request: { readonly userId: string; readonly nameOrId: string; readonly path: string },
): Promise<StatedEntry> {
  const { userId, nameOrId } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'read' }, services.uploads.find);
  const path = parseEntryPath(request.path, 'read');
  const stat = await folderVolume(services, folder).stat(folder.id, path);
  if (stat === null) throw domainError('entry_not_found', 'No entry has that path.');
  return { path, stat };
}

async function listDirectory(list: () => Promise<ListPage>): Promise<ListPage> {
  try {
    return await list();
  } catch (error) {
    // To a reader, a file or a link in the way is the same as nothing there.
    if (!isDomainError(error, 'entry_conflict')) throw error;
    throw domainError('entry_not_found', 'No directory has that path.', { cause: error });
  }
}

/**
 * Makes one directory. Needs `write`. A directory that exists is fine with `existOk`; missing parents are made with
 * `parents`. One trailing slash in the path means nothing.
 * @throws not_found, path_invalid, entry_conflict (a file has that name, or it exists without `existOk`),
 *   entry_not_found (a parent is missing without `parents`), quota_exceeded, volume_full, volume_unavailable
 */
export async function makeDirectory(
  services: FileServices,
  request: Omit<MakeDirectoriesRequest, 'paths'> & { readonly path: string },
): Promise<DirectoryResults> {
  const { folderId, volume } = await openForWriting(services, request);
  const path = parseDirectoryPath(request.path);
  const room = countDirectories(services.db, folderId);
  try {
    await volume.makeDirectory(folderId, path, { ...request, room });
  } finally {
    await room.settle();
  }
  return { success: [{ item: request.path, msg: null }], failed: [] };
}

/**
 * As {@link makeDirectory} for up to {@link directoriesMax} paths, each on its own; all are checked before the first is made.
 * @throws as {@link makeDirectory}; entry_conflict with one error per path when none could be made
 */
export async function makeDirectories(
  services: FileServices,
  request: MakeDirectoriesRequest,
): Promise<DirectoryResults> {
  const { folderId, volume } = await openForWriting(services, request);
  const paths = request.paths.map((item) => ({ item, path: parseDirectoryPath(item) }));
  const results: DirectoryResult[] = [];
  const room = countDirectories(services.db, folderId, paths.length - 1);
  try {
    for (const { item, path } of paths) {
      const make = () => volume.makeDirectory(folderId, path, { ...request, room });
      results.push({ item, msg: await attempt(make) });
    }
  } finally {
    await room.settle();
  }
  const failed = results.filter(({ msg }) => msg !== null);
  if (failed.length === results.length) throw noneMade(results);
  return { success: results.filter(({ msg }) => msg === null), failed };
}

async function openForWriting(
  services: FileServices,
  { userId, nameOrId }: { readonly userId: string; readonly nameOrId: string },
): Promise<{ folderId: string; volume: Volume }> {
  const folder = await loadFolder(services, { userId, nameOrId, right: 'write' });
  return { folderId: folder.id, volume: writableVolume(services, folder) };
}

function parseDirectoryPath(raw: string): EntryPath {
  return parseNamedEntryPath(raw.endsWith('/') ? raw.slice(0, -1) : raw, 'write');
}

/** @returns why it failed, when the reason concerns this path alone; else `null` */
async function attempt(make: () => Promise<unknown>): Promise<string | null> {
  try {
    await make();
    return null;
  } catch (error) {
    if (isDomainError(error, 'entry_conflict') || isDomainError(error, 'entry_not_found'))
      return error.message;
    throw error;
  }
}

function noneMade(results: readonly DirectoryResult[]): DomainError {
  const errors: FieldError[] = results.map(({ msg }, index) => ({
    pointer: `/path/${index}`,
    detail: msg ?? '',
  }));
  return domainError('entry_conflict', 'None of the directories could be made.', { errors });
}
