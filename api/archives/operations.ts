import type { Executor } from '../../db/client.ts';
import {
  type ArchiveRecord,
  deleteArchive,
  findArchive,
  findOwnArchiveVolume,
  lockArchiveUse,
} from '../../db/queries/archives.ts';
import {
  archiveBytesMax,
  archiveLimitReached,
  archivesOpenMax,
  archivesStoredMax,
} from '../../domain/archive-limits.ts';
import { formatEntryPath } from '../../domain/entry-path.ts';
import { domainError, isDomainError } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import type { ArchiveFormat } from '../../storage/archive/entry-fields.ts';
import type { OpenFile } from '../../storage/volume.ts';
import { folderVolume, requireWritable, writableVolume } from '../authorize.ts';
import { isReaderActive, type Reader, selectFiles } from '../downloads/operations.ts';
import type { Services } from '../services.ts';

/** What to archive, as it came; `name` is the file name to save the archive under. */
export interface ArchiveRequest {
  readonly userId: string;
  readonly nameOrId: string;
  readonly files: readonly string[];
  readonly format: ArchiveFormat;
  readonly name?: string | undefined;
}

/** @throws archives_busy, archive_limit_reached */
async function requireArchiveRoom(tx: Executor, userId: string): Promise<void> {
  const use = await lockArchiveUse(tx, userId);
  const reached = archiveLimitReached(use);
  if (reached === 'open') {
    const detail = `At most ${archivesOpenMax} archives of one user are built at the same time.`;
    throw domainError('archives_busy', detail, { extra: { limit: archivesOpenMax, used: use.open } });
  }
  if (reached === 'stored') {
    const detail = `You have ${use.stored} archives of ${use.storedBytes} bytes; the limits are ${archivesStoredMax} and ${archiveBytesMax}.`;
    throw domainError('archive_limit_reached', detail, {
      extra: {
        limit: archivesStoredMax,
        used: use.stored,
        limit_bytes: archiveBytesMax,
        used_bytes: use.storedBytes,
      },
    });
  }
}

/**
 * Asks for an archive to be built. The limits on a user's archives hold at any concurrency, but for the bytes: archives
 * whose size is known only once they are built may take them past theirs.
 * @returns the id of the job, which becomes the archive's
 * @throws not_found, path_invalid, entry_not_found when any of the files is missing, entry_not_regular,
 *   archives_busy, archive_limit_reached
 */
export async function requestArchive(services: Services, request: ArchiveRequest): Promise<string> {
  const { userId, format } = request;
  const { folder, entries } = await selectFiles(services, { ...request, accessKey: null });
  // It is built on the volume of the folder.
  requireWritable(services, folder.volume);
  const [only, ...others] = entries;
  const baseName = (others.length === 0 ? only?.path.at(-1) : undefined) ?? folder.name;
  const jobId = await services.db.transaction(async (tx) => {
    await requireArchiveRoom(tx, userId);
    return await services.jobs.enqueue(tx, {
      kind: 'archive.build',
      payload: {
        files: entries.map(({ path }) => formatEntryPath(path)),
        format,
        fileName: request.name ?? `${baseName}.${format}`,
      },
      volume: folder.volume,
      folderId: folder.id,
      actorId: userId,
    });
  });
  services.jobs.dispatch([jobId]);
  return jobId;
}

/** An archive open for reading; whoever gets it closes the file. */
export interface OpenedArchive {
  readonly archive: ArchiveRecord;
  readonly file: OpenFile;
  readonly mayRead: () => Promise<boolean>;
}

function archiveNotFound(cause?: unknown) {
  return domainError('not_found', 'There is no such archive.', { cause });
}

/**
 * Opens a finished archive for the one who asked for it.
 * @throws not_found, the same whether it never was, has expired, is someone else's, or its folder may not be read any more
 */
export async function openArchive(
  services: Services,
  { id, ...reader }: Reader & { readonly id: string },
): Promise<OpenedArchive> {
  const archiveId = parseId(id);
  if (archiveId === undefined) throw archiveNotFound();
  const query = { archiveId, userId: reader.userId };
  const archive = await findArchive(services.db, query);
  if (archive === null) throw archiveNotFound();
  try {
    const file = await folderVolume(services, archive).openArchive(archiveId);
    const mayRead = async () =>
      (await findArchive(services.db, query)) !== null && (await isReaderActive(services, reader));
    return { archive, file, mayRead };
  } catch (error) {
    throw isDomainError(error, 'entry_not_found') ? archiveNotFound(error) : error;
  }
}

/**
 * Removes a finished archive of the caller's own before its time; the file goes first, as when it expires. Reading it is
 * not needed: it may be of a folder that the caller left.
 * @throws not_found, the same whether it never was, is gone already, or is someone else's
 */
export async function removeArchive(
  services: Services,
  request: { readonly userId: string; readonly id: string },
): Promise<void> {
  const archiveId = parseId(request.id);
  const volume =
    archiveId === undefined
      ? null
      : await findOwnArchiveVolume(services.db, { archiveId, userId: request.userId });
  if (archiveId === undefined || volume === null) throw archiveNotFound();
  await writableVolume(services, { volume }).removeArchive(archiveId);
  await deleteArchive(services.db, archiveId);
}
