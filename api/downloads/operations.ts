import { isHolderActive } from '../../db/queries/followers.ts';
import { findMemberFolder } from '../../db/queries/members.ts';
import { isUserActive } from '../../db/queries/users.ts';
import { type EntryPath, parseEntryPath, parseNamedEntryPath } from '../../domain/entry-path.ts';
import type { KnownZip } from '../../storage/archive/known-zip.ts';
import { type SelectedEntry, selectEntries, withoutNested } from '../../storage/archive/select-entries.ts';
import type { OpenFile, ReadableVolume } from '../../storage/volume.ts';
import { type FolderAccess, folderVolume, loadFolder } from '../authorize.ts';
import type { Admit } from '../http/send-file.ts';
import type { Principal } from '../route.ts';
import type { Services } from '../services.ts';

/** Entries to be read by a user, all of them there and files or directories when they were looked at. */
export interface Selection {
  readonly folder: FolderAccess;
  readonly volume: ReadableVolume;
  readonly entries: readonly SelectedEntry[];
  /** Whether the user may still read the folder, as of now. */
  readonly mayRead: () => Promise<boolean>;
  /** The name to save an archive of them under; default: after the entry, or the folder. */
  readonly saveAs?: string;
  readonly admit?: Admit;
  /** Bounds the look over a tree that tells its zip before it is made; `null` for none. Default: at once. */
  readonly plan?: ((look: () => Promise<KnownZip | null>) => Promise<KnownZip | null>) | undefined;
}

/** Who reads, and by which keypair or API token; `null` for the bearer of a transfer token, which is good until it expires. */
export interface Reader {
  readonly userId: string;
  readonly accessKey: string | null;
}

/** The reader that a request acts for. */
export function readerOf({ userId, accessKey }: Principal): Reader {
  return { userId, accessKey };
}

/** Tells whether a user is switched on, and so is what they came with, as of now. */
export async function isReaderActive(
  { db }: Pick<Services, 'db'>,
  { userId, accessKey }: Reader,
): Promise<boolean> {
  return accessKey === null ? isUserActive(db, userId) : isHolderActive(db, { userId, accessKey });
}

/** Tells whether somebody may read a live folder, as of now; for answers that take longer than a moment. */
export async function mayReadFolder(
  services: Pick<Services, 'db'>,
  { folderId, ...reader }: Reader & { readonly folderId: string },
): Promise<boolean> {
  // No folder has the empty name, so only the id counts.
  const reference = { userId: reader.userId, folderId, name: '', right: 'read' } as const;
  const folder = await findMemberFolder(services.db, reference);
  return folder !== null && (await isReaderActive(services, reader));
}

/**
 * Looks up what a user asks for by path; paths inside others are left out. Nothing is opened yet.
 * @throws not_found, path_invalid, entry_not_found when any is missing, entry_not_regular
 */
export async function selectFiles(
  services: Services,
  request: Reader & { readonly nameOrId: string; readonly files: readonly string[] },
): Promise<Selection> {
  const { userId, accessKey, nameOrId, files } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'read' }, services.uploads.find);
  return selectIn(services, { folder, userId, accessKey, files });
}

/** As {@link selectFiles}, in a folder that was loaded already. */
export async function selectIn(
  services: Services,
  request: Reader & { readonly folder: FolderAccess; readonly files: readonly string[] },
): Promise<Selection> {
  const { folder, userId, accessKey } = request;
  const paths = request.files.map((file) => parseEntryPath(file, 'read'));
  const volume = folderVolume(services, folder);
  const entries = await selectEntries(volume, folder.id, withoutNested(paths));
  return {
    folder,
    volume,
    entries,
    mayRead: () => mayReadFolder(services, { userId, accessKey, folderId: folder.id }),
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
  request: Reader & { readonly nameOrId: string; readonly path: string },
): Promise<OpenedEntry> {
  const { userId, accessKey, nameOrId } = request;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'read' }, services.uploads.find);
  const path = parseNamedEntryPath(request.path, 'read');
  const file = await folderVolume(services, folder).open(folder.id, path);
  return { path, file, mayRead: () => mayReadFolder(services, { userId, accessKey, folderId: folder.id }) };
}
