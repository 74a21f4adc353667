import { findMemberFolder } from '../../db/queries/members.ts';
import { isUserActive } from '../../db/queries/users.ts';
import { type EntryPath, parseEntryPath, parseNamedEntryPath } from '../../domain/entry-path.ts';
import { type SelectedEntry, selectEntries, withoutNested } from '../../storage/archive/select-entries.ts';
import type { OpenFile, Volume } from '../../storage/volume.ts';
import { type FolderAccess, folderVolume, loadFolder } from '../authorize.ts';
import type { Services } from '../services.ts';

/** Entries to be read by a user, all of them there and files or directories when they were looked at. */
export interface Selection {
  readonly folder: FolderAccess;
  readonly volume: Volume;
  readonly entries: readonly SelectedEntry[];
  /** Whether the user may still read the folder, as of now. */
  readonly mayRead: () => Promise<boolean>;
  /** The name to save an archive of them under; default: after the entry, or the folder. */
  readonly saveAs?: string;
}

/** Tells whether a user is switched on and may read a live folder, as of now; for answers that take longer than a moment. */
export async function mayReadFolder(
  services: Pick<Services, 'db'>,
  reader: { readonly userId: string; readonly folderId: string },
): Promise<boolean> {
  // No folder has the empty name, so only the id counts.
  const folder = await findMemberFolder(services.db, { ...reader, name: '', right: 'read' });
  return folder !== null && (await isUserActive(services.db, reader.userId));
}

/**
 * Looks up what a user asks for by path; paths inside others are left out. Nothing is opened yet.
 * @throws not_found, path_invalid, entry_not_found when any is missing, entry_not_regular
 */
export async function selectFiles(
  services: Services,
  request: { readonly userId: string; readonly nameOrId: string; readonly files: readonly string[] },
): Promise<Selection> {
  const { userId, nameOrId } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'read' }, services.uploads.find);
  return selectIn(services, { folder, userId, files: request.files });
}

/** As {@link selectFiles}, in a folder that was loaded already. */
export async function selectIn(
  services: Services,
  request: { readonly folder: FolderAccess; readonly userId: string; readonly files: readonly string[] },
): Promise<Selection> {
  const { folder, userId } = request;
  const paths = request.files.map((file) => parseEntryPath(file, 'read'));
  const volume = folderVolume(services, folder);
  const entries = await selectEntries(volume, folder.id, withoutNested(paths));
  return {
    folder,
    volume,
    entries,
    mayRead: () => mayReadFolder(services, { userId, folderId: folder.id }),
  };
}

/** An open file of a folder; whoever gets it closes it. */
export interface OpenedEntry {
  readonly path: EntryPath;
  readonly file: OpenFile;
  readonly mayRead: () => Promise<boolean>;
}

/**
 * Opens one regular file by path.
 * @throws not_found, path_invalid, entry_not_found, entry_not_regular
 */
export async function openEntry(
  services: Services,
  request: { readonly userId: string; readonly nameOrId: string; readonly path: string },
): Promise<OpenedEntry> {
  const { userId, nameOrId } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'read' }, services.uploads.find);
  const path = parseNamedEntryPath(request.path, 'read');
  const file = await folderVolume(services, folder).open(folder.id, path);
  return { path, file, mayRead: () => mayReadFolder(services, { userId, folderId: folder.id }) };
}
