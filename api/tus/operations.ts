import { uuidv7 } from 'uuidv7';
import type { Executor } from '../../db/client.ts';
import {
  countOpenParts,
  deleteResumableUpload,
  insertResumableUpload,
  joinUploadParts,
  listStageIds,
  lockUploadParts,
  type NewResumableUpload,
  type ResumableUpload,
  resumableLifeSeconds,
  type UploadPart,
} from '../../db/queries/resumable-uploads.ts';
import { abortUpload, type Reservation, releaseUpload, reserveUpload } from '../../db/queries/uploads.ts';
import { formatEntryPath, parseNamedEntryPath } from '../../domain/entry-path.ts';
import { domainError, isDomainError } from '../../domain/errors.ts';
import {
  type FolderAccess,
  folderNotFound,
  folderVolume,
  loadFolder,
  requireWritable,
  writableVolume,
} from '../authorize.ts';
import type { Services } from '../services.ts';
import { commitLater } from '../uploads/commit-later.ts';
import { countReplaced } from '../uploads/count-replaced.ts';
import { quotaExceeded, takeRoom, withoutReplaced } from '../uploads/reservation.ts';
import { loadUpload, requireKept, uploadNotFound } from './writer-claim.ts';

/** Parts of a folder that may be open at the same time; they are staged files that count as none. Some of the largest uploads. */
export const openPartsMax = 4_000;

/** What a client asks for when it begins an upload. */
export interface UploadOrder {
  readonly userId: string;
  /** Name or id. */
  readonly folder: string;
  /** Unchecked; a part needs none. */
  readonly path: string | undefined;
  readonly metadata: string;
}

type UploadFolder = Pick<FolderAccess, 'id' | 'volume'>;

/** Counts 1 when the file at `path` would be replaced. */
function replacingAt(services: Services, folder: UploadFolder, path: string): () => Promise<number> {
  return () => countReplaced({ volume: folderVolume(services, folder), folderId: folder.id }, [path]);
}

/** @throws requests_busy */
async function requireFewParts(tx: Executor, folderId: string): Promise<void> {
  if ((await countOpenParts(tx, folderId)) < openPartsMax) return;
  const detail = `At most ${openPartsMax} parts of uploads to one folder are open at the same time; join or terminate some.`;
  throw domainError('requests_busy', detail, { extra: { limit: openPartsMax } });
}

async function reserve(
  services: Services,
  folder: UploadFolder,
  actorId: string,
  upload: NewResumableUpload & { readonly amount: Reservation },
): Promise<void> {
  const { amount, ...values } = upload;
  const { id, path } = upload;
  const ask = (wanted: Reservation): Promise<boolean> =>
    services.db.transaction(async (tx) => {
      const order = { id, folderId: folder.id, actorId, leaseSeconds: resumableLifeSeconds };
      const isGranted = await reserveUpload(tx, { ...order, amount: wanted });
      if (!isGranted) return false;
      // The reservation holds the folder's row, so that what is counted stays true until the commit.
      if (values.shape === 'partial') await requireFewParts(tx, folder.id);
      await insertResumableUpload(tx, values);
      return isGranted;
    });
  await takeRoom(services, { id, folder, amount, countReplacing: replacingAt(services, folder, path) }, ask);
}

function writePath(path: string | undefined): string {
  if (path === undefined || path === '') {
    throw domainError('request_malformed', 'The upload must name the "path" of its file.');
  }
  return formatEntryPath(parseNamedEntryPath(path, 'write'));
}

/**
 * Begins an upload and reserves its length; one of unknown length reserves as it grows.
 * @throws not_found, path_invalid, request_malformed, quota_exceeded, volume_unavailable; requests_busy when too many parts are
 *   open in the folder
 */
export async function createUpload(
  services: Services,
  order: UploadOrder & { readonly shape: 'whole' | 'partial'; readonly lengthBytes: number | undefined },
): Promise<ResumableUpload> {
  const { userId, shape, lengthBytes, metadata } = order;
  const folder = await loadFolder(services, { userId, nameOrId: order.folder, right: 'write' });
  writableVolume(services, folder);
  const id = uuidv7();
  await reserve(services, folder, userId, {
    id,
    shape,
    path: shape === 'partial' ? '' : writePath(order.path),
    lengthBytes: lengthBytes ?? null,
    metadata,
    // A part is no file of its own.
    amount: { bytes: lengthBytes ?? 0, files: shape === 'partial' ? 0 : 1 },
  });
  return loadUpload(services, { id, userId });
}

function requireComplete(part: UploadPart | undefined, folder: FolderAccess): UploadPart {
  if (part === undefined || part.folderId !== folder.id) throw uploadNotFound();
  if (part.shape !== 'partial') throw domainError('request_malformed', 'An upload to join is no part.');
  if (part.state === 'aborting' || part.state === 'aborted') {
    throw domainError('upload_gone', 'A part was terminated or has expired. Upload it again.');
  }
  if (part.lengthBytes === null || part.offsetBytes !== part.lengthBytes) {
    throw domainError('upload_unfinished', 'Every part must have arrived before they are joined.', {
      extra: { upload: part.id },
    });
  }
  return part;
}

/** The upload that these parts, in this order, were joined into before at `path`: a repeated request is answered alike. */
async function findJoined(
  services: Services,
  { userId, folder, path, partIds }: Omit<Joining, 'id' | 'metadata' | 'concat'>,
): Promise<ResumableUpload | null> {
  const parts = await services.db.transaction((tx) => lockParts(tx, folder, { ids: partIds, userId }));
  const finalId = parts[0]?.finalId ?? null;
  if (finalId === null) {
    if (parts.some((part) => part.finalId !== null)) throw alreadyJoined();
    return null;
  }
  const final = await loadUpload(services, { id: finalId, userId });
  const isSame =
    final.partIds?.length === parts.length && parts.every(({ id }, index) => final.partIds?.[index] === id);
  if (!isSame || final.path !== path) throw alreadyJoined();
  return final;
}

function alreadyJoined(): Error {
  return domainError('request_malformed', 'A part belongs to another upload already.');
}

async function lockParts(
  tx: Executor,
  folder: FolderAccess,
  parts: { readonly ids: readonly string[]; readonly userId: string },
): Promise<readonly UploadPart[]> {
  const locked = await lockUploadParts(tx, parts);
  return parts.ids.map((id) => requireComplete(locked.get(id), folder));
}

interface Joining {
  readonly id: string;
  readonly folder: FolderAccess;
  readonly path: string;
  readonly userId: string;
  readonly metadata: string;
  readonly partIds: readonly string[];
  readonly concat: string;
}

/** The bytes are reserved already; the file itself is new, unless it takes the place of another. @throws quota_exceeded */
async function reserveJoined(services: Services, tx: Executor, joining: Joining): Promise<void> {
  const { id, folder, path, userId } = joining;
  const amount = { bytes: 0, files: 1 };
  const order = { id, folderId: folder.id, actorId: userId, leaseSeconds: resumableLifeSeconds };
  if (await reserveUpload(tx, { ...order, amount })) return;
  const needed = await withoutReplaced(amount, replacingAt(services, folder, path));
  if (await reserveUpload(tx, { ...order, amount: needed })) return;
  throw await quotaExceeded(tx, { id, folderId: folder.id, amount: needed });
}

/** Moves parts into a new upload that waits for its commit. Bytes stay reserved as they are; the file itself is new. */
async function join(services: Services, joining: Joining): Promise<string> {
  const { id, folder, path, userId, metadata, partIds, concat } = joining;
  return commitLater(services, {
    id,
    folder,
    userId,
    files: async (tx) => {
      const parts = await lockParts(tx, folder, { ids: partIds, userId });
      if (parts.some((part) => part.finalId !== null)) throw alreadyJoined();
      const segments = parts.flatMap((part) => part.segments);
      const sizeBytes = parts.reduce((sum, part) => sum + part.offsetBytes, 0);
      await reserveJoined(services, tx, joining);
      await insertResumableUpload(tx, { id, shape: 'final', path, lengthBytes: sizeBytes, metadata, concat });
      await joinUploadParts(tx, { finalId: id, partIds, segments });
      return [{ ordinal: 0, path, sizeBytes, sha256: null, crc32: null, inode: '' }];
    },
  });
}

/**
 * Joins complete parts, in the order given, into one file. Asking again with the same parts and path, even at the same
 * time, answers the same upload.
 * @throws not_found, path_invalid, request_malformed, upload_unfinished, upload_gone, quota_exceeded
 */
export async function joinUploads(
  services: Services,
  order: UploadOrder & Pick<Joining, 'partIds' | 'concat'>,
): Promise<ResumableUpload> {
  const { userId, metadata, partIds, concat } = order;
  const folder = await loadFolder(services, { userId, nameOrId: order.folder, right: 'write' });
  writableVolume(services, folder);
  const path = writePath(order.path);
  const joining = { id: uuidv7(), folder, path, userId, metadata, partIds, concat };
  const joined = await findJoined(services, joining);
  if (joined !== null) return joined;
  try {
    await join(services, joining);
  } catch (error) {
    // The same request, sent again while the first one ran, has lost the race to it.
    const known = isDomainError(error, 'request_malformed') ? await findJoined(services, joining) : null;
    if (known === null) throw error;
    return known;
  }
  return loadUpload(services, { id: joining.id, userId });
}

/** Gives an upload up, or forgets one whose file is in its place. @throws not_found, upload_gone, upload_locked */
export async function terminateUpload(
  services: Services,
  upload: { readonly id: string; readonly userId: string },
): Promise<void> {
  const found = await loadUpload(services, upload);
  requireKept(found);
  if (found.state === 'committed') {
    await deleteResumableUpload(services.db, found.id);
    return;
  }
  requireWritable(services, found.volume);
  if (!(await abortUpload(services.db, found.id, ['receiving']))) {
    throw domainError('upload_locked', 'The upload is complete and being put in its place.');
  }
  try {
    const volume = folderVolume(services, found);
    for (const stageId of await listStageIds(services.db, found.id)) {
      await volume.discardStage(found.folderId, stageId);
    }
    await releaseUpload(services.db, found.id);
  } catch {
    // It is given up already; the reaper repeats the clean-up, for the row says `aborting`.
  }
}

/** The folder a request names, by metadata or by query. @throws not_found */
export function namedFolder(metadata: ReadonlyMap<string, string>, query: string | undefined): string {
  const folder = metadata.get('folder') ?? query;
  if (folder === undefined || folder === '') {
    throw domainError('request_malformed', 'Name the folder: "folder" in Upload-Metadata or in the query.');
  }
  if (folder.includes('\0')) throw folderNotFound();
  return folder;
}
