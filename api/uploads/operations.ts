import type { IncomingMessage } from 'node:http';
import { abortUpload, findUpload, releaseUpload } from '../../db/queries/uploads.ts';
import { domainError, isDomainError } from '../../domain/errors.ts';
import { stageIdOf } from '../../domain/upload-session.ts';
import type { WriteCondition } from '../../domain/write-condition.ts';
import type { Volume } from '../../storage/volume.ts';
import { type FolderAccess, folderNotFound, loadFolder, writableVolume } from '../authorize.ts';
import { failBody } from '../http/body-failure.ts';
import { guardRate } from '../http/rate-guard.ts';
import type { Services } from '../services.ts';
import { commitLater } from './commit-later.ts';
import { type FilePart, leastContentBytes, multipartBoundary, readFileParts } from './multipart.ts';
import { openReservation, requireRoomFor } from './reservation.ts';
import { type StageResult, type StageRun, stageFiles } from './stage-files.ts';

/** How the files of a body are found, and what must hold before they are committed. */
export interface UploadForm {
  /** Prepares to read the body. @throws what refuses it unread */
  open(): AsyncIterable<FilePart>;
  /** The least that a body of `declaredBytes` brings into a folder for `filesMax` files. */
  leastBytes(declaredBytes: number, filesMax: number): number;
  /** Looks at the folder before the body is sent. @throws what would refuse the commit */
  check?(volume: Volume, folderId: string): Promise<void>;
  /** Looks at what was staged. @throws what refuses it */
  verify?(files: StageResult['files']): void | Promise<void>;
  readonly condition?: WriteCondition;
}

/** An upload as it arrives, of a user. */
export interface ArrivingUpload {
  /** Default: `multipart/form-data`. */
  readonly form?: UploadForm;
  readonly userId: string;
  /** The raw request; its body has not been touched. */
  readonly incoming: IncomingMessage;
  /** Tells a client that waits for it to send the body. */
  readonly acceptBody: () => void;
  /** Reads the body to its end and compares it with what was signed. @throws digest_mismatch */
  readonly verifyBody: () => Promise<void>;
  /** The caller may be told that the upload is safe before it is committed. */
  readonly isAckedEarly: boolean;
  /** Called before a failure is thrown after which files may yet be put in place: the database does not tell. */
  readonly onDoubt?: () => void;
}

/** An upload as it arrives, and for which folder. */
export interface IncomingUpload extends ArrivingUpload {
  /** Raw path parameter: name or id. */
  readonly nameOrId: string;
}

/**
 * Undoes a failed upload. What fails here is repeated by the `uploads.expire` job, for the row says `aborting`.
 * @returns whether it is certain that no file of it will be put in place
 */
async function undo(services: Services, run: StageRun): Promise<boolean> {
  const { reservation, volume, folderId } = run.target;
  const { uploadId } = reservation;
  await reservation.rest();
  if (!reservation.isOpen()) return true;
  try {
    if (!(await abortUpload(services.db, uploadId, ['receiving']))) {
      const state = (await findUpload(services.db, uploadId))?.state;
      return state !== 'staged' && state !== 'committed';
    }
  } catch {
    // The refusal that led here matters more to the caller.
    return false;
  }
  try {
    for (let ordinal = 0; ordinal < run.ordinals; ordinal += 1) {
      await volume.discardStage(folderId, stageIdOf(uploadId, ordinal));
    }
    await releaseUpload(services.db, uploadId);
  } catch {
    // The reaper finishes the clean-up.
  }
  return true;
}

function multipartForm(incoming: IncomingMessage): UploadForm {
  return {
    open: () => readFileParts(incoming, multipartBoundary(incoming.headers['content-type'])),
    leastBytes: leastContentBytes,
  };
}

async function receive(run: StageRun, form: UploadForm, upload: ArrivingUpload): Promise<StageResult> {
  const { incoming } = upload;
  const parts = form.open();
  upload.acceptBody();
  const { socket } = incoming;
  const stopGuard = guardRate({
    bytesMoved: () => socket.bytesRead,
    isPeerDue: () => !incoming.isPaused() && !incoming.complete,
    onTooSlow: () => failBody(incoming, domainError('request_timeout', 'The body came too slowly.')),
  });
  try {
    const staged = await stageFiles(run, parts);
    await upload.verifyBody();
    return staged;
  } catch (error) {
    // The folder's directories go away under an upload when the folder is deleted meanwhile.
    if (isDomainError(error, 'entry_not_found')) throw folderNotFound();
    throw error;
  } finally {
    stopGuard();
  }
}

/**
 * Receives an upload into staging and hands its commit to a job. When this resolves the bytes are on disk, the
 * session is recorded and the job will run, whatever crashes.
 * @returns the id of the `upload.commit` job
 * @throws not_found, quota_exceeded, path_invalid, entry_conflict, upload_empty, request_malformed,
 *   media_type_unsupported, volume_full, volume_unavailable; nothing is left behind then
 */
export async function receiveUpload(services: Services, upload: IncomingUpload): Promise<string> {
  const { nameOrId, ...arriving } = upload;
  const { userId } = upload;
  const folder = await loadFolder(services, { userId, nameOrId, right: 'write' }, services.uploads.find);
  return receiveInto(services, folder, arriving);
}

/** As {@link receiveUpload}, for a folder that was loaded already; the job asks for the right of the user again. */
export async function receiveInto(
  services: Services,
  folder: FolderAccess,
  upload: ArrivingUpload,
): Promise<string> {
  const { userId, incoming } = upload;
  const volume = writableVolume(services, folder);
  const declared = incoming.headers['content-length'];
  const declaredBytes = declared === undefined ? undefined : Number(declared);
  const form = upload.form ?? multipartForm(incoming);
  await form.check?.(volume, folder.id);
  await requireRoomFor(services, folder, form.leastBytes(declaredBytes ?? 0, folder.quotaFiles));
  const reservation = openReservation(services, { folder, actorId: userId });
  const lookups = await volume.openLookups(folder.id);
  const ifExists = form.condition?.ifExists;
  const target = { volume, folderId: folder.id, lookups, reservation, declaredBytes, ifExists };
  const run: StageRun = { target, ordinals: 0, takenBytes: 0 };
  try {
    const staged = await receive(run, form, upload);
    await reservation.rest();
    await form.verify?.(staged.files);
    for (const file of staged.voided) {
      await volume.discardStage(folder.id, stageIdOf(reservation.uploadId, file.ordinal));
    }
    if (upload.isAckedEarly) await volume.syncStage(folder.id);
    const { condition } = form;
    return await commitLater(services, {
      id: reservation.uploadId,
      folder,
      userId,
      files: staged.files,
      condition,
    });
  } catch (error) {
    if (!(await undo(services, run))) upload.onDoubt?.();
    throw error;
  } finally {
    reservation.close();
    lookups.close();
  }
}
