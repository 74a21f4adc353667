import { type FolderReference, findMemberFolder, type MemberFolder } from '../db/queries/members.ts';
import { type DomainError, domainError } from '../domain/errors.ts';
import { parseId } from '../domain/ids.ts';
import type { Right } from '../domain/permission.ts';
import type { Volume } from '../storage/volume.ts';
import type { Services } from './services.ts';

/**
 * A live folder and what the caller may do with it, as of the statement that loaded it. `name` is the caller's name
 * for it; counters are bytes and files. `id` and `ownerId` are dashed uuids.
 */
export type FolderAccess = MemberFolder;

/** Who wants to do what with which folder. `nameOrId` is the raw path parameter: a name, or a hex or dashed id. */
export interface FolderRequest {
  readonly userId: string;
  readonly nameOrId: string;
  readonly right: Right;
}

/** The one refusal for a folder that is missing, deleted, someone else's, or for which the right is missing. */
export function folderNotFound(): DomainError {
  return domainError('not_found', 'There is no such folder, or you may not access it this way.');
}

/** How folders are found; default: each by a statement of its own. */
type FindFolder = (reference: FolderReference) => Promise<FolderAccess | null>;

/**
 * Loads the folder a caller refers to, together with their membership and the check of the right, in one statement.
 * An id wins over a name. Nothing is cached: a permission taken away is gone for the next call.
 * @throws not_found, the same whether the folder is missing or the right is
 */
export async function loadFolder(
  services: Pick<Services, 'db'>,
  { userId, nameOrId, right }: FolderRequest,
  find: FindFolder = (reference) => findMemberFolder(services.db, reference),
): Promise<FolderAccess> {
  // Postgres refuses NUL in text, and a lone surrogate would be looked up as U+FFFD; neither can name a folder.
  if (nameOrId.includes('\0') || !nameOrId.isWellFormed()) throw folderNotFound();
  const folder = await find({ userId, name: nameOrId, folderId: parseId(nameOrId), right });
  if (folder === null) throw folderNotFound();
  return folder;
}

/**
 * The storage of a folder.
 * @throws volume_unavailable when the folder lies on a volume that this process does not have
 */
export function folderVolume(
  services: Pick<Services, 'volumes'>,
  folder: Pick<FolderAccess, 'volume'>,
): Volume {
  const volume = services.volumes.get(folder.volume);
  if (volume === undefined) {
    throw domainError('volume_unavailable', 'The storage of this folder is not available at the moment.');
  }
  return volume;
}

/** Keeps changes of content away from a volume that operators made read-only. @throws volume_read_only */
export function requireWritable(services: Pick<Services, 'jobs'>, volume: string): void {
  if (services.jobs.volumeStates.stateOf(volume) !== 'read_only') return;
  throw domainError(
    'volume_read_only',
    'The storage of this folder is read-only at the moment: it can be read, and nothing in it changed.',
  );
}

/**
 * The storage of a folder whose content is to be changed; what only reads takes {@link folderVolume}.
 * @throws volume_read_only; volume_unavailable when this process does not have the volume
 */
export function writableVolume(
  services: Pick<Services, 'volumes' | 'jobs'>,
  folder: Pick<FolderAccess, 'volume'>,
): Volume {
  const volume = folderVolume(services, folder);
  requireWritable(services, folder.volume);
  return volume;
}
