import { type ArchiveRecord, findArchive } from '../../db/queries/archives.ts';
import { formatEntryPath } from '../../domain/entry-path.ts';
import { domainError, isDomainError } from '../../domain/errors.ts';
import { parseId } from '../../domain/ids.ts';
import type { ArchiveFormat } from '../../storage/archive/entry-fields.ts';
import type { OpenFile } from '../../storage/volume.ts';
import { folderVolume } from '../authorize.ts';
import { selectFiles } from '../downloads/operations.ts';
import type { Services } from '../services.ts';

/** What to archive, as it came; `name` is the file name to save the archive under. */
export interface ArchiveRequest {
  readonly userId: string;
  readonly nameOrId: string;
  readonly files: readonly string[];
  readonly format: ArchiveFormat;
  readonly name?: string | undefined;
}

/**
 * Asks for an archive to be built.
 * @returns the id of the job, which becomes the archive's
 * @throws not_found, path_invalid, entry_not_found when any of the files is missing, entry_not_regular
 */
export async function requestArchive(services: Services, request: ArchiveRequest): Promise<string> {
  const { userId, format } = request;
  const { folder, entries } = await selectFiles(services, request);
  const [only, ...others] = entries;
  const baseName = (others.length === 0 ? only?.path.at(-1) : undefined) ?? folder.name;
  const jobId = await services.jobs.enqueue(services.db, {
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
  request: { readonly userId: string; readonly id: string },
): Promise<OpenedArchive> {
  const archiveId = parseId(request.id);
  if (archiveId === undefined) throw archiveNotFound();
  const query = { archiveId, userId: request.userId };
  const archive = await findArchive(services.db, query);
  if (archive === null) throw archiveNotFound();
  try {
    const file = await folderVolume(services, archive).openArchive(archiveId);
    return { archive, file, mayRead: async () => (await findArchive(services.db, query)) !== null };
  } catch (error) {
    throw isDomainError(error, 'entry_not_found') ? archiveNotFound(error) : error;
  }
}
