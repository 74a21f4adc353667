import { setTimeout as delay } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import type { Database, Executor } from '../../db/client.ts';
import {
  findComingRoom,
  growUpload,
  type Reservation,
  renewUploadLease,
  reserveUpload,
} from '../../db/queries/uploads.ts';
import { type FolderUsage, findFolderUsage } from '../../db/queries/usage.ts';
import { type DomainError, domainError } from '../../domain/errors.ts';
import { type FolderAccess, folderNotFound } from '../authorize.ts';

/** How long a reservation waits for deletes and other uploads that may free room before it is refused. */
const roomWaitMs = 5_000;
const roomPollMs = 100;
const renewEveryMs = 20_000;
/**
 * What is asked for ahead stands in the way of other uploads until it is used: it is at most this part of the room that
 * is free, and nothing when that would be little.
 */
const aheadShare = 64;
const aheadBytesMin = 256 * 1024;

/**
 * Refuses at once what certainly cannot fit, before its first byte is read: `leastBytes` in one file, although all that is
 * being freed were free. Costs no statement while there is room. @throws quota_exceeded, not_found
 */
export async function requireRoomFor(db: Database, folder: FolderAccess, leastBytes: number): Promise<void> {
  const amount = { bytes: Math.max(0, leastBytes), files: 1 };
  const takenFiles = folder.usedFiles + folder.trashFiles + folder.reservedFiles;
  if (amount.bytes <= freeBytesOf(folder) && takenFiles < folder.quotaFiles) return;
  const room = await findComingRoom(db, { id: uuidv7(), folderId: folder.id, amount });
  if (room === 'hopeless') throw await quotaExceeded(db, folder.id, amount);
}

/** The usage promised to one upload session. The session's row is made with the first grant. */
export interface UploadReservation {
  readonly uploadId: string;
  /** Whether a row exists that has to be staged or aborted. */
  isOpen(): boolean;
  /**
   * Makes sure that `amount` more may be staged; asks for `aheadBytes` beyond it when there is room, so that a stream
   * does not pay a round trip per chunk. Not for concurrent use.
   * @throws quota_exceeded, not_found (the folder is gone), upload_aborted (the session lost its lease)
   */
  take(amount: Reservation, aheadBytes: number): Promise<void>;
  /** Stops renewing the lease. */
  close(): void;
}

function freeBytesOf(
  folder: Pick<FolderUsage, 'quotaBytes' | 'usedBytes' | 'trashBytes' | 'reservedBytes'>,
): number {
  return folder.quotaBytes - folder.usedBytes - folder.trashBytes - folder.reservedBytes;
}

/**
 * The refusal of `amount` in a folder, with the figures that stand in the way; or of a folder that is gone. Inside a
 * transaction `db` is that transaction: one that waits for a second connection can leave none for anybody.
 */
export async function quotaExceeded(
  db: Executor,
  folderId: string,
  amount: Reservation,
): Promise<DomainError> {
  const folder = await findFolderUsage(db, folderId);
  if (folder === null || folder.state !== 'active') return folderNotFound();
  const freeBytes = freeBytesOf(folder);
  // Room may have come free since the refusal; the caller is told the figure that stood in the way most likely.
  const isFiles = amount.bytes <= freeBytes;
  const extra = isFiles
    ? {
        resource: 'files',
        limit: folder.quotaFiles,
        used: folder.usedFiles + folder.trashFiles,
        reserved: folder.reservedFiles,
        requested: amount.files,
      }
    : {
        resource: 'bytes',
        limit: folder.quotaBytes,
        used: folder.usedBytes + folder.trashBytes,
        reserved: folder.reservedBytes,
        requested: amount.bytes,
      };
  return domainError('quota_exceeded', `The folder has no room for this upload (${extra.resource}).`, {
    extra,
  });
}

/**
 * Asks for room until it is granted, for as long as deletes and other uploads may soon make some, 5 s at most.
 * @returns whether it was granted
 */
export async function waitForRoom(
  db: Database,
  upload: { readonly id: string; readonly folderId: string; readonly amount: Reservation },
  ask: () => Promise<boolean>,
): Promise<boolean> {
  const deadline = performance.now() + roomWaitMs;
  for (;;) {
    if (await ask()) return true;
    if ((await findComingRoom(db, upload)) !== 'coming') return ask();
    if (performance.now() > deadline) return false;
    await delay(roomPollMs);
  }
}

/** Opens the reservation of one upload into `folderId` by `actorId`; costs nothing until the first `take`. */
export function openReservation(
  db: Database,
  owner: { readonly folderId: string; readonly actorId: string },
): UploadReservation {
  const uploadId = uuidv7();
  const spare = { bytes: 0, files: 0 };
  let isOpen = false;
  let timer: NodeJS.Timeout | undefined;

  const ask = async (amount: Reservation): Promise<boolean> => {
    if (!isOpen) {
      isOpen = await reserveUpload(db, { id: uploadId, ...owner, amount });
      if (isOpen) timer = setInterval(renew, renewEveryMs).unref();
      return isOpen;
    }
    const outcome = await growUpload(db, { id: uploadId, amount });
    if (outcome === 'gone') throw domainError('upload_aborted', 'The upload was abandoned.');
    return outcome === 'granted';
  };
  const renew = () => {
    // A missed renewal shows at the next growth or at staging; nothing is lost by it.
    renewUploadLease(db, uploadId).catch(() => undefined);
  };
  const askPatiently = (amount: Reservation): Promise<boolean> =>
    waitForRoom(db, { id: uploadId, folderId: owner.folderId, amount }, () => ask(amount));
  const affordableAhead = async (aheadBytes: number): Promise<number> => {
    const folder = aheadBytes > 0 ? await findFolderUsage(db, owner.folderId) : null;
    const share = folder === null ? 0 : Math.floor(freeBytesOf(folder) / aheadShare);
    return share < aheadBytesMin ? 0 : Math.min(aheadBytes, share);
  };
  return {
    uploadId,
    isOpen: () => isOpen,
    take: async (amount, aheadBytes) => {
      const missing = {
        bytes: Math.max(0, amount.bytes - spare.bytes),
        files: Math.max(0, amount.files - spare.files),
      };
      let granted = missing;
      if (missing.bytes > 0 || missing.files > 0 || !isOpen) {
        const ahead = await affordableAhead(aheadBytes);
        const generous = { ...missing, bytes: missing.bytes + ahead };
        if (ahead > 0 && (await ask(generous))) granted = generous;
        else if (!(await askPatiently(missing))) throw await quotaExceeded(db, owner.folderId, missing);
      }
      spare.bytes += granted.bytes - amount.bytes;
      spare.files += granted.files - amount.files;
    },
    close: () => clearInterval(timer),
  };
}
