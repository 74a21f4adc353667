import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import {
  findUploadSegments,
  noteStagedContent,
  updateUploadSegments,
} from '../db/queries/resumable-uploads.ts';
import type { CommitFile, UploadSession } from '../db/queries/uploads.ts';
import { listUploadFiles } from '../db/queries/uploads.ts';
import { domainError, isDomainError } from '../domain/errors.ts';
import { stageIdOf, type UploadSegment } from '../domain/upload-session.ts';
import type { JobContext } from '../jobs/handler.ts';
import type { Volume } from '../storage/volume.ts';
import type { WorkerServices } from './services.ts';

/** Bytes moved at a time while pieces are joined: as much lies on disk twice, beyond what is reserved. */
const sliceBytes = 16 * 1024 ** 2;

type Context = JobContext<'upload.commit'>;

interface Joining {
  readonly context: Context;
  readonly volume: Volume;
  readonly upload: UploadSession;
  readonly file: CommitFile;
}

function isJoined({ upload, file }: Joining, segments: readonly UploadSegment[]): boolean {
  const [first, ...others] = segments;
  return others.length === 0 && first?.uploadId === upload.id && first.ordinal === file.ordinal;
}

/** Drops the tail of a piece that is in its place already. What lies behind the recorded bytes belongs to nobody. */
async function dropTail({ volume, upload }: Joining, segment: UploadSegment): Promise<void> {
  const stageId = stageIdOf(segment.uploadId, segment.ordinal);
  if (segment.bytes === 0) await volume.discardStage(upload.folderId, stageId);
  else await volume.cutStage(upload.folderId, { stageId, positionBytes: segment.bytes });
}

/** Moves the last slice of what is left to its place; recorded before the source gets shorter. @returns what is left then */
async function moveSlice(
  joining: Joining,
  segments: readonly UploadSegment[],
): Promise<readonly UploadSegment[]> {
  const { context, volume, upload, file } = joining;
  const last = segments.at(-1);
  if (last === undefined) return segments;
  const before = segments.slice(0, -1);
  const moved = Math.min(sliceBytes, last.bytes);
  const rest = { ...last, bytes: last.bytes - moved };
  const end = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  if (moved > 0) {
    await volume.copyStage(upload.folderId, {
      from: { stageId: stageIdOf(last.uploadId, last.ordinal), positionBytes: rest.bytes },
      to: { stageId: stageIdOf(upload.id, file.ordinal), positionBytes: end - moved },
      sizeBytes: moved,
    });
  }
  const left = rest.bytes === 0 ? before : [...before, rest];
  await context.fenced((tx) => updateUploadSegments(tx, upload.id, left));
  await dropTail(joining, rest);
  return left;
}

/**
 * Joins the pieces of an upload from the last to the first, slice by slice, so that a file never lies on disk twice. A run
 * that dies is carried on with what is recorded: bytes that are in place are never read from their piece again.
 */
async function joinPieces(services: Pick<WorkerServices, 'db'>, joining: Joining): Promise<void> {
  const { context, volume, upload, file } = joining;
  let segments = await findUploadSegments(services.db, upload.id);
  if (segments === null || isJoined(joining, segments)) return;
  if (file.sizeBytes === 0) {
    const stageId = stageIdOf(upload.id, file.ordinal);
    const appender = await volume.appendStage(upload.folderId, { stageId, positionBytes: 0 });
    await appender.close();
  }
  while (segments.length > 0) {
    context.signal.throwIfAborted();
    segments = await moveSlice(joining, segments);
  }
  const whole = { uploadId: upload.id, ordinal: file.ordinal, bytes: file.sizeBytes };
  await context.fenced((tx) => updateUploadSegments(tx, upload.id, [whole]));
}

/** Reads a staged file for its digests. */
async function readStaged({ context, volume, upload, file }: Joining) {
  const staged = await volume.openStage(upload.folderId, stageIdOf(upload.id, file.ordinal));
  try {
    const sha256 = createHash('sha256');
    let crc = 0;
    let readBytes = 0;
    for await (const chunk of staged.stream()) {
      context.signal.throwIfAborted();
      const bytes: Uint8Array = chunk;
      sha256.update(bytes);
      crc = crc32(bytes, crc);
      readBytes += bytes.byteLength;
      context.report({ entries: 0, bytes: readBytes, of: { entries: 1, bytes: file.sizeBytes } });
    }
    const { inode, version } = staged.stat;
    return { sha256: sha256.digest('hex'), crc32: crc, inode, version };
  } finally {
    await staged.close();
  }
}

/**
 * Makes every staged file of an upload one whole file with known digests: joins what came in pieces, and reads what no
 * process has read from its beginning to its end. Files that are so already cost nothing.
 * @returns the files as they are then @throws upload_aborted when staged bytes are gone
 */
export async function completeStages(
  services: Pick<WorkerServices, 'db'>,
  context: Context,
  volume: Volume,
  staged: { readonly upload: UploadSession; readonly files: readonly CommitFile[] },
): Promise<readonly CommitFile[]> {
  const { upload, files } = staged;
  const unread = files.filter((file) => file.sha256 === null);
  for (const file of unread) {
    const joining = { context, volume, upload, file };
    try {
      await joinPieces(services, joining);
      const content = await readStaged(joining);
      await context.fenced((tx) =>
        noteStagedContent(tx, { uploadId: upload.id, ordinal: file.ordinal }, content),
      );
    } catch (error) {
      if (!isDomainError(error, 'entry_not_found')) throw error;
      throw domainError('upload_aborted', 'The staged bytes of this upload are gone.', { cause: error });
    }
  }
  return unread.length === 0 ? files : await listUploadFiles(services.db, upload.id);
}
