import { setTimeout as delay } from 'node:timers/promises';
import { uuidv7 } from 'uuidv7';
import type { Executor } from '../../db/client.ts';
import { findComingRoom } from '../../db/queries/coming-room.ts';
import { scheduleKey } from '../../db/queries/job-schedules.ts';
import { growUpload, type Reservation, renewUploadLease } from '../../db/queries/uploads.ts';
import { type FolderUsage, findFolderUsage } from '../../db/queries/usage.ts';
import { type DomainError, domainError } from '../../domain/errors.ts';
import { type FolderAccess, folderNotFound } from '../authorize.ts';
import type { Services } from '../services.ts';
import { openRoomAhead } from './room-ahead.ts';

/** How long a reservation waits for deletes and other uploads that may free room before it is refused. */
const roomWaitMs = 5_000;
const roomPollMs = 100;
const renewEveryMs = 8_000;
/** When to ask again for room that others hold. */
const heldRoomSeconds = 5;
/**
 * What is asked for ahead stands in the way of other uploads until it is used: it is at most this part of the room that
 * is free, and nothing when that would be little.
 */
const aheadShare = 64;
const aheadBytesMin = 256 * 1024;

/**
 * Refuses at once what certainly cannot fit, before its first byte is read: `leastBytes` in one file, although all that is
 * being freed were free. A folder that has files may have the one that is to be replaced. Costs no statement while there
 * is room. @throws quota_exceeded, not_found
 */
export async function requireRoomFor(
  { db }: Pick<Services, 'db'>,
  folder: FolderAccess,
  leastBytes: number,
): Promise<void> {
  const amount = { bytes: Math.max(0, leastBytes), files: folder.usedFiles > 0 ? 0 : 1 };
  const takenFiles = folder.usedFiles + folder.trashFiles + folder.reservedFiles;
  if (amount.bytes <= freeBytesOf(folder) && takenFiles + amount.files <= folder.quotaFiles) return;
  const asked = { id: uuidv7(), folderId: folder.id, amount };
  if ((await findComingRoom(db, asked)) === 'hopeless') throw await quotaExceeded(db, asked);
}

type RoomServices = Pick<Services, 'db' | 'jobs'>;
type RoomFolder = Pick<FolderAccess, 'id' | 'volume'>;

/** The usage promised to one upload session. The session's row is made with the first grant. */
export interface UploadReservation {
  readonly uploadId: string;
  /** Whether a row exists that has to be staged or aborted. */
  isOpen(): boolean;
  /**
   * Makes sure that `amount` more may be staged, of which `comingBytes` are to follow, as far as is known; asks for a part of
   * these ahead when there is room, so that a stream does not pay a round trip per chunk. `countReplacing` is asked, when
   * the room does not hold so many files, how many of them take the place of others. Not for concurrent use.
   * @throws quota_exceeded, not_found (the folder is gone), upload_aborted (the session lost its lease)
   */
  take(amount: Reservation, comingBytes: number, countReplacing?: CountReplacing): Promise<void>;
  /** Waits until nothing is asked for any more; before the session is recorded or aborted. Never rejects. */
  rest(): Promise<void>;
  /** Stops renewing the lease. */
  close(): void;
}

function freeBytesOf(
  folder: Pick<FolderUsage, 'quotaBytes' | 'usedBytes' | 'trashBytes' | 'reservedBytes'>,
): number {
  return folder.quotaBytes - folder.usedBytes - folder.trashBytes - folder.reservedBytes;
}

/** An upload that asks for room in its folder. */
interface RoomRequest {
  readonly id: string;
  readonly folderId: string;
  readonly amount: Reservation;
}

/**
 * The refusal of an amount in a folder, with the figures that stand in the way; or of a folder that is gone. It says when
 * to come back while others hold room that they may give back. Inside a transaction `db` is that transaction: one that
 * waits for a second connection can leave none for anybody.
 */
export async function quotaExceeded(db: Executor, upload: RoomRequest): Promise<DomainError> {
  const { folderId, amount } = upload;
  const folder = await findFolderUsage(db, folderId);
  if (folder === null || folder.state !== 'active') return folderNotFound();
  const outlook = await findComingRoom(db, upload);
  const isPassing = outlook !== 'hopeless' && outlook !== 'none';
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
    ...(isPassing ? { retryAfterSeconds: heldRoomSeconds } : {}),
  });
}

/** Ends the sessions of a volume whose API process is gone or that nobody goes on with, before it is their turn. */
async function endLapsedUploads({ db, jobs }: RoomServices, volume: string): Promise<void> {
  const [job] = await jobs.enqueueAll(db, [
    {
      kind: 'uploads.expire',
      payload: {},
      volume,
      folderId: null,
      actorId: null,
      dedupeKey: scheduleKey('uploads.expire', volume),
    },
  ]);
  if (job !== undefined) jobs.dispatch([job]);
}

/** Says how many of the files that are asked for take the place of others. */
type CountReplacing = () => Promise<number>;

/** What an amount comes to without the files that take the place of others. */
export async function withoutReplaced(
  amount: Reservation,
  countReplacing?: CountReplacing,
): Promise<Reservation> {
  const replacing = amount.files === 0 ? 0 : ((await countReplacing?.()) ?? 0);
  return { ...amount, files: amount.files - replacing, replacing };
}

interface RoomWanted {
  readonly id: string;
  readonly folder: RoomFolder;
  readonly amount: Reservation;
}

/** Asks until there is room, for as long as deletes and other uploads may soon make some. @returns whether it was granted */
async function waitForRoom(
  services: RoomServices,
  { id, folder, amount }: RoomWanted,
  ask: () => Promise<boolean>,
): Promise<boolean> {
  const deadline = performance.now() + roomWaitMs;
  for (;;) {
    if (await ask()) return true;
    const outlook = await findComingRoom(services.db, { id, folderId: folder.id, amount });
    if (outlook === 'lapsed') await endLapsedUploads(services, folder.volume);
    else if (outlook !== 'coming') return ask();
    if (performance.now() > deadline) return false;
    await delay(roomPollMs);
  }
}

/**
 * Asks for room; when it does not hold so many files, for room for those only that are new, until it is granted, for as long
 * as deletes and other uploads may soon make some, 5 s at most.
 * @throws quota_exceeded, not_found (the folder is gone), and what `ask` throws
 */
export async function takeRoom(
  services: RoomServices,
  wanted: RoomWanted & { readonly countReplacing?: CountReplacing | undefined },
  ask: (amount: Reservation) => Promise<boolean>,
): Promise<void> {
  const { id, folder } = wanted;
  if (await ask(wanted.amount)) return;
  const amount = await withoutReplaced(wanted.amount, wanted.countReplacing);
  if (await waitForRoom(services, { id, folder, amount }, () => ask(amount))) return;
  throw await quotaExceeded(services.db, { id, folderId: folder.id, amount });
}

/** Opens the reservation of one upload into `folder` by `actorId`; costs nothing until the first `take`. */
export function openReservation(
  services: RoomServices & Pick<Services, 'uploads'>,
  { folder, actorId }: { readonly folder: RoomFolder; readonly actorId: string },
): UploadReservation {
  const { db } = services;
  const uploadId = uuidv7();
  const folderId = folder.id;
  const spare = { bytes: 0, files: 0 };
  let isOpen = false;
  let timer: NodeJS.Timeout | undefined;

  const ask = async (amount: Reservation): Promise<boolean> => {
    if (!isOpen) {
      isOpen = await services.uploads.reserve({ id: uploadId, folderId, actorId, amount });
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
  const affordableAhead = async (aheadBytes: number): Promise<number> => {
    const usage = aheadBytes > 0 ? await findFolderUsage(db, folderId) : null;
    const share = usage === null ? 0 : Math.floor(freeBytesOf(usage) / aheadShare);
    return share < aheadBytesMin ? 0 : Math.min(aheadBytes, share);
  };
  const ahead = openRoomAhead(async (wanted) => {
    const bytes = await affordableAhead(wanted);
    return bytes > 0 && (await ask({ bytes, files: 0 })) ? bytes : 0;
  });
  const takeMissing = async (
    missing: Reservation,
    comingBytes: number,
    countReplacing?: CountReplacing,
  ): Promise<void> => {
    const aheadBytes = comingBytes > 0 ? await affordableAhead(ahead.takeStep(comingBytes)) : 0;
    const generous = { ...missing, bytes: missing.bytes + aheadBytes };
    const isGenerous = aheadBytes > 0 && (await ask(generous));
    if (!isGenerous) await takeRoom(services, { id: uploadId, folder, amount: missing, countReplacing }, ask);
    spare.bytes += isGenerous ? generous.bytes : missing.bytes;
    spare.files += missing.files;
  };
  return {
    uploadId,
    isOpen: () => isOpen,
    take: async (amount, comingBytes, countReplacing) => {
      const isShort = () => !isOpen || amount.bytes > spare.bytes || amount.files > spare.files;
      if (isShort()) spare.bytes += await ahead.settle();
      if (isShort()) {
        const missing = {
          bytes: Math.max(0, amount.bytes - spare.bytes),
          files: Math.max(0, amount.files - spare.files),
        };
        await takeMissing(missing, comingBytes, countReplacing);
      }
      spare.bytes -= amount.bytes;
      spare.files -= amount.files;
      ahead.consider({ spareBytes: spare.bytes, comingBytes });
    },
    rest: async () => {
      spare.bytes += await ahead.settle();
    },
    close: () => clearInterval(timer),
  };
}
