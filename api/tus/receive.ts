import type { IncomingMessage } from 'node:http';
import type { Executor } from '../../db/client.ts';
import {
  declareUploadLength,
  type ResumableUpload,
  recordUploadProgress,
  releaseUploadWriter,
  takeUploadOrdinal,
  type UploadWriter,
} from '../../db/queries/resumable-uploads.ts';
import { growUpload, type RecordedFile } from '../../db/queries/uploads.ts';
import { domainError, isDomainError } from '../../domain/errors.ts';
import { reservationStepBytes } from '../../domain/quota.ts';
import { stageIdOf, type UploadSegment } from '../../domain/upload-session.ts';
import type { StageAppender, StagedContent, Volume } from '../../storage/volume.ts';
import { writableVolume } from '../authorize.ts';
import { readChunks } from '../http/body-chunks.ts';
import { failBody } from '../http/body-failure.ts';
import { freeChunk } from '../http/body-garbage.ts';
import { guardRate } from '../http/rate-guard.ts';
import type { Services } from '../services.ts';
import { commitLater } from '../uploads/commit-later.ts';
import { quotaExceeded } from '../uploads/reservation.ts';
import { type Checkpoints, openCheckpoints } from './checkpoints.ts';
import { type ChecksumCheck, openChecksum } from './checksum.ts';
import type { DigestCache, RunningDigest } from './digests.ts';
import { claimWriter, holdUpload, uploadNotFound, type WriterHold } from './writer-claim.ts';

/**
 * After so much what arrived is synced and recorded, while the body goes on; it waits when the one before is not done. So a
 * crash in the middle of a request loses twice as much at most.
 */
const checkpointBytes = 16 * 1024 ** 2;

/** A request that brings bytes. */
export interface IncomingBytes {
  readonly incoming: IncomingMessage;
  readonly signal: AbortSignal;
  /** Tells a client that waits for it to send the body. */
  readonly acceptBody: () => void;
  /** Compares the body, once it has ended, with the digest that was signed, if one was. @throws digest_mismatch */
  readonly verifyBody: () => Promise<void>;
  readonly offsetBytes: number;
  /** What the request says of the length of the upload, if it does. */
  readonly declaredBytes?: number | undefined;
  /** False for one that only asks for the end of an empty upload. */
  readonly hasBytes: boolean;
}

/** Where an upload stands; `jobId` is set once its last byte was recorded. */
export interface ReceivedBytes {
  readonly offsetBytes: number;
  readonly jobId: string | null;
}

/** A writer at work. */
interface Reception {
  readonly services: Services;
  readonly digests: DigestCache;
  readonly volume: Volume;
  readonly upload: ResumableUpload;
  readonly writer: UploadWriter;
  readonly appender: StageAppender;
  readonly hold: WriterHold;
  readonly startBytes: number;
  /** Where the request said that its body ends; not a number when it did not. */
  readonly endBytes: number;
  readonly checksum: ChecksumCheck | undefined;
  /** The request says what its bytes are; none counts before they are seen to be that. */
  readonly isChecked: boolean;
  readonly digest: RunningDigest | undefined;
  /** To come back to when the checksum turns out wrong. */
  readonly digestBefore: RunningDigest | undefined;
  /** Offset of the last byte accepted. */
  acceptedTo: number;
  checkpoints: Checkpoints;
  reservedBytes: number;
  /** `null` while nobody has said. */
  lengthBytes: number | null;
  /** Whether it is us who are slow, not the client. */
  isBusy: boolean;
}

/** The segments once all up to `toBytes` is recorded. */
function segmentsOf({ writer, startBytes }: Reception, toBytes: number): readonly UploadSegment[] {
  const last = writer.segments.at(-1);
  const earlier = writer.segments.slice(0, -1).filter(({ bytes }) => bytes > 0);
  return last === undefined ? [] : [...earlier, { ...last, bytes: last.bytes + toBytes - startBytes }];
}

async function lost(reception: Reception, db: Executor = reception.services.db): Promise<never> {
  throw await reception.hold.reason(db);
}

/** Makes room for `toBytes` in all. @throws quota_exceeded, upload_gone */
async function takeRoom(reception: Reception, toBytes: number): Promise<void> {
  const missing = toBytes - reception.reservedBytes;
  if (missing <= 0) return;
  const { services, upload } = reception;
  for (const bytes of [Math.max(missing, reservationStepBytes), missing]) {
    const outcome = await growUpload(services.db, { id: upload.id, amount: { bytes, files: 0 } });
    if (outcome === 'gone') await lost(reception);
    if (outcome === 'granted') {
      reception.reservedBytes += bytes;
      return;
    }
  }
  const { id, folderId } = upload;
  throw await quotaExceeded(services.db, { id, folderId, amount: { bytes: missing, files: 0 } });
}

/** Refuses a length that an upload cannot have. @throws upload_length_mismatch */
export function requireLength(
  { lengthBytes, offsetBytes }: Pick<ResumableUpload, 'lengthBytes' | 'offsetBytes'>,
  declaredBytes: number,
): void {
  if (declaredBytes >= offsetBytes && (lengthBytes === null || lengthBytes === declaredBytes)) return;
  throw domainError('upload_length_mismatch', 'The length of this upload is known to be another.');
}

/**
 * Makes room for the whole upload as soon as its length is known. A length that is told only here counts once there is
 * room for it: what is refused leaves the upload as it was.
 * @throws upload_length_mismatch, quota_exceeded, upload_gone, upload_locked
 */
async function settleLength(reception: Reception, declaredBytes: number | undefined): Promise<void> {
  const { services, upload, writer, startBytes } = reception;
  if (declaredBytes !== undefined) {
    requireLength({ lengthBytes: writer.lengthBytes, offsetBytes: startBytes }, declaredBytes);
  }
  const lengthBytes = writer.lengthBytes ?? declaredBytes;
  if (lengthBytes === undefined) return;
  await takeRoom(reception, lengthBytes);
  if (writer.lengthBytes !== null) return;
  if (!(await declareUploadLength(services.db, { id: upload.id, fence: writer.fence, lengthBytes }))) {
    await lost(reception);
  }
  reception.lengthBytes = lengthBytes;
}

/** Makes all that was accepted durable and records it. @throws upload_locked and others when somebody took over */
async function checkpoint(reception: Reception): Promise<void> {
  const { services, upload, writer, appender, acceptedTo: offsetBytes } = reception;
  const segments = segmentsOf(reception, offsetBytes);
  await appender.sync();
  const progress = { id: upload.id, fence: writer.fence, offsetBytes, segments, isLast: false };
  if (!(await recordUploadProgress(services.db, progress))) await lost(reception);
}

/** A file that came in one piece from its beginning is ready; anything else the commit joins and reads. */
function stagedFile(
  reception: Reception,
  { inode, version }: Pick<StagedContent, 'inode' | 'version'>,
): Omit<RecordedFile, 'ordinal'> & { ordinal?: number } {
  const { upload, digest, acceptedTo } = reception;
  const [only, ...others] = segmentsOf(reception, acceptedTo);
  const file = { path: upload.path, sizeBytes: acceptedTo, sha256: null, crc32: null, inode };
  if (only === undefined || others.length > 0) return file;
  const content = digest === undefined ? {} : { ...digest.finish(), version };
  return { ...file, ...content, ordinal: only.ordinal };
}

/** Ends the claim with all that was accepted, and the upload with it when that was the last byte; no checkpoint runs. */
async function closeUp(reception: Reception): Promise<string | null> {
  const { services, upload, writer, lengthBytes, appender, acceptedTo, digest, digests } = reception;
  const synced = await appender.sync();
  await appender.close();
  const segments = segmentsOf(reception, acceptedTo);
  const progress = {
    id: upload.id,
    fence: writer.fence,
    offsetBytes: acceptedTo,
    segments,
    isLast: true,
  };
  if (upload.shape === 'whole' && lengthBytes === acceptedTo) {
    const file = stagedFile(reception, synced);
    return commitLater(services, {
      id: upload.id,
      folder: { id: upload.folderId, volume: upload.volume },
      userId: upload.actorId,
      files: async (tx) => {
        if (!(await recordUploadProgress(tx, progress))) await lost(reception, tx);
        return [{ ...file, ordinal: file.ordinal ?? (await takeUploadOrdinal(tx, upload.id)) }];
      },
    });
  }
  if (!(await recordUploadProgress(services.db, progress))) await lost(reception);
  if (digest !== undefined) digests.keep(upload.id, acceptedTo, digest);
  return null;
}

async function conclude(reception: Reception): Promise<string | null> {
  reception.isBusy = true;
  await reception.checkpoints.settle();
  return await closeUp(reception);
}

async function accept(reception: Reception, chunk: Uint8Array): Promise<void> {
  const { lengthBytes, checksum, digest, appender } = reception;
  reception.isBusy = true;
  const to = reception.acceptedTo + chunk.byteLength;
  if (lengthBytes !== null && to > lengthBytes) {
    throw domainError('body_too_large', `The upload has ${lengthBytes} bytes; more were sent.`);
  }
  await takeRoom(reception, to);
  digest?.update(chunk);
  checksum?.update(chunk);
  await appender.write(chunk, freeChunk);
  reception.acceptedTo = to;
  // Bytes that may turn out wrong are not recorded, nor is the end but with the job that follows from it, nor what is recorded at once
  // because the body ends with it.
  const isEnd = to === lengthBytes || to === reception.endBytes;
  if (!reception.isChecked && !isEnd) await reception.checkpoints.pass(to, () => checkpoint(reception));
  reception.isBusy = false;
}

/** Reads the body to its end. @throws upload_aborted when it ends early, and what accepting throws */
async function readBody(reception: Reception, { incoming, verifyBody }: IncomingBytes): Promise<void> {
  const { socket } = incoming;
  const stopGuard = guardRate({
    bytesMoved: () => socket.bytesRead,
    isPeerDue: () => !reception.isBusy && !incoming.complete,
    onTooSlow: () => failBody(incoming, domainError('request_timeout', 'The body came too slowly.')),
  });
  try {
    for await (const chunk of readChunks(incoming)) await accept(reception, chunk);
  } catch (error) {
    if (reception.hold.isLost) await lost(reception);
    throw error;
  } finally {
    stopGuard();
  }
  reception.checksum?.verify();
  await verifyBody();
}

/** Refusals after which the bytes that came before are as good as any. */
function keepsBytes(reception: Reception, error: unknown): boolean {
  if (reception.isChecked || reception.hold.isLost) return false;
  return (['upload_aborted', 'quota_exceeded', 'request_timeout'] as const).some((code) =>
    isDomainError(error, code),
  );
}

/** After a failed write the kernel may have dropped more than it says. */
function isVolumeFault(error: unknown): boolean {
  return isDomainError(error, 'volume_unavailable') || isDomainError(error, 'volume_full');
}

/**
 * Gives the upload back after a refusal, with the bytes that are good. The rest stays in the file until the next writer
 * cuts it off, or is left in it when the next one has to begin a file of its own. Only while the database cannot be told
 * does the upload stay taken, until the lease lapses. Never throws: the refusal that led here matters more to the caller.
 */
async function giveBack(reception: Reception, error: unknown): Promise<void> {
  const { services, digests, upload, writer, appender, checkpoints, digestBefore, startBytes } = reception;
  // Whoever wants the upload has it at the latest when the lease lapses, however long the volume takes from here.
  reception.hold.end();
  const failure = await checkpoints.settle().then(
    () => undefined,
    (cause: unknown) => cause,
  );
  let isSound = !isVolumeFault(error) && !isVolumeFault(failure);
  try {
    if (isSound && keepsBytes(reception, error)) {
      await closeUp(reception);
      return;
    }
  } catch {
    isSound = false;
  }
  await appender.close().catch(() => {
    isSound = false;
  });
  const ended = { id: upload.id, fence: writer.fence, isClosed: isSound };
  await releaseUploadWriter(services.db, ended).catch(() => undefined);
  if (digestBefore !== undefined) digests.keep(upload.id, startBytes, digestBefore);
}

/** Frees what a writer that never ended left behind its recorded bytes. Only room is lost when this fails. */
async function trimAbandoned(volume: Volume, folderId: string, segments: readonly UploadSegment[]) {
  const [abandoned, last] = segments.slice(-2);
  if (abandoned === undefined || last === undefined || last.bytes > 0) return;
  const stageId = stageIdOf(abandoned.uploadId, abandoned.ordinal);
  try {
    if (abandoned.bytes === 0) await volume.discardStage(folderId, stageId);
    else await volume.cutStage(folderId, { stageId, positionBytes: abandoned.bytes });
  } catch {
    // The commit drops it with the rest.
  }
}

async function openReception(
  services: Services,
  digests: DigestCache,
  upload: ResumableUpload,
  request: IncomingBytes,
): Promise<Reception> {
  const checksum = openChecksum(request.incoming);
  const isSigned = request.incoming.headers['x-vfolder-content-sha256'] !== undefined;
  const isChecked = checksum !== undefined || isSigned;
  const volume = writableVolume(services, upload);
  const owner = { id: upload.id, userId: upload.actorId };
  const writer = await claimWriter(services, owner, request);
  const last = writer.segments.at(-1);
  try {
    if (last === undefined) throw new Error('A claimed upload has a segment to write to.');
    await trimAbandoned(volume, upload.folderId, writer.segments);
    const place = { stageId: stageIdOf(last.uploadId, last.ordinal), positionBytes: last.bytes };
    const appender = await volume.appendStage(upload.folderId, place);
    const digest = digests.take(upload.id, request.offsetBytes);
    const { socket } = request.incoming;
    let ticks = 0;
    const reception: Reception = {
      services,
      digests,
      volume,
      upload,
      writer,
      appender,
      checksum,
      isChecked,
      digest,
      digestBefore: isChecked ? digest?.copy() : undefined,
      startBytes: request.offsetBytes,
      endBytes: request.offsetBytes + Number(request.incoming.headers['content-length'] ?? Number.NaN),
      acceptedTo: request.offsetBytes,
      checkpoints: openCheckpoints({ everyBytes: checkpointBytes, fromBytes: request.offsetBytes }),
      reservedBytes: writer.reservedBytes,
      lengthBytes: writer.lengthBytes,
      isBusy: true,
      hold: holdUpload(
        services,
        { ...owner, fence: writer.fence },
        {
          activity: () => {
            if (reception.isBusy) ticks += 1;
            return socket.bytesRead + ticks;
          },
          onLost: () =>
            failBody(request.incoming, domainError('upload_locked', 'The upload was taken over.')),
        },
      ),
    };
    return reception;
  } catch (error) {
    await releaseUploadWriter(services.db, { id: upload.id, fence: writer.fence, isClosed: true });
    // The folder's directories go away under an upload when the folder is deleted meanwhile.
    throw isDomainError(error, 'entry_not_found') ? uploadNotFound() : error;
  }
}

/**
 * Receives bytes at an offset. Only what is synced is recorded, and only while nobody else has taken over; a broken
 * connection keeps what arrived. No connection to the database is held while the body comes.
 * @throws upload_offset_mismatch, upload_locked, upload_gone, not_found, checksum_mismatch, body_too_large, quota_exceeded,
 *   upload_aborted, volume_full, volume_unavailable
 */
export async function receiveBytes(
  services: Services,
  digests: DigestCache,
  upload: ResumableUpload,
  request: IncomingBytes,
): Promise<ReceivedBytes> {
  const reception = await openReception(services, digests, upload, request);
  try {
    await settleLength(reception, request.declaredBytes);
    reception.isBusy = false;
    request.acceptBody();
    if (request.hasBytes) await readBody(reception, request);
    const jobId = await conclude(reception);
    return { offsetBytes: reception.acceptedTo, jobId };
  } catch (error) {
    await giveBack(reception, error);
    throw error;
  } finally {
    reception.hold.end();
  }
}
