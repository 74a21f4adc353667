import type { StagedFile } from '../../db/queries/uploads.ts';
import { formatEntryPath, parseEntryPath } from '../../domain/entry-path.ts';
import { domainError } from '../../domain/errors.ts';
import { stageIdOf } from '../../domain/upload-session.ts';
import type { WriteCondition } from '../../domain/write-condition.ts';
import type { FolderLookups, StageWriter, Volume } from '../../storage/volume.ts';
import { freeChunk } from '../http/body-garbage.ts';
import { startGathering } from '../http/gather.ts';
import { countReplaced } from './count-replaced.ts';
import type { FilePart } from './multipart.ts';
import type { UploadReservation } from './reservation.ts';

/** A file up to this size is kept in memory until its batch is reserved and written together. */
const smallBytesMax = 256 * 1024;
/** A batch of small files is written when it holds this much, or this many. */
const batchBytesMax = 2 * 1024 * 1024;
const batchFilesMax = 128;
/** Small files synced at the same time. */
const parallelWrites = 8;

interface SmallFile {
  readonly ordinal: number;
  readonly path: string;
  readonly content: Uint8Array;
}

/** Where an upload goes. */
export interface StageTarget {
  readonly volume: Volume;
  readonly folderId: string;
  /** What the request has looked up there. */
  readonly lookups: FolderLookups;
  readonly reservation: UploadReservation;
  /** Bytes the client sends at most, when it said so; bounds what is reserved ahead. */
  readonly declaredBytes: number | undefined;
  /** What becomes of a file whose name is taken, with `rename` also by another one of this upload. Default: it replaces that. */
  readonly ifExists?: WriteCondition['ifExists'] | undefined;
}

/** What was staged: the files to commit, and those a later file of the same path made void. */
export interface StageResult {
  readonly files: readonly StagedFile[];
  readonly voided: readonly StagedFile[];
}

/** Everything that belongs to one running upload; `ordinals` counts staged names, for the clean-up. */
export interface StageRun {
  readonly target: StageTarget;
  ordinals: number;
  /** Content that came so far. */
  takenBytes: number;
}

async function finishInto(writer: StageWriter, file: { ordinal: number; path: string }): Promise<StagedFile> {
  const content = await writer.finish();
  return { ...file, ...content };
}

async function stageSmall(target: StageTarget, file: SmallFile): Promise<StagedFile> {
  const stageId = stageIdOf(target.reservation.uploadId, file.ordinal);
  const writer = await target.volume.createStage(target.folderId, stageId, target.lookups);
  try {
    await writer.write(file.content);
    return await finishInto(writer, { ordinal: file.ordinal, path: file.path });
  } finally {
    await writer.close();
  }
}

async function flushBatch(target: StageTarget, batch: SmallFile[]): Promise<StagedFile[]> {
  const files = batch.splice(0);
  if (files.length === 0) return [];
  const bytes = files.reduce((sum, file) => sum + file.content.byteLength, 0);
  await target.reservation.take({ bytes, files: files.length }, 0, () =>
    countReplaced(
      target,
      files.map(({ path }) => path),
    ),
  );
  const staged: StagedFile[] = [];
  const queue = files.values();
  const work = async () => {
    for (const file of queue) staged.push(await stageSmall(target, file));
  };
  const outcomes = await Promise.allSettled(
    Array.from({ length: Math.min(parallelWrites, files.length) }, () => work()),
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  return staged;
}

/** Content that is still to come at most, as far as is known. */
function comingBytes({ target, takenBytes }: StageRun): number {
  return Math.max(0, (target.declaredBytes ?? Number.POSITIVE_INFINITY) - takenBytes);
}

interface LargeFile {
  readonly ordinal: number;
  readonly path: string;
  readonly head: Uint8Array;
  readonly rest: AsyncIterator<Uint8Array>;
}

async function stageLarge(run: StageRun, file: LargeFile): Promise<StagedFile> {
  const { target } = run;
  const { reservation } = target;
  run.takenBytes += file.head.byteLength;
  await reservation.take({ bytes: file.head.byteLength, files: 1 }, comingBytes(run), () =>
    countReplaced(target, [file.path]),
  );
  const stageId = stageIdOf(reservation.uploadId, file.ordinal);
  const writer = await target.volume.createStage(target.folderId, stageId, target.lookups);
  try {
    await writer.write(file.head);
    for (let next = await file.rest.next(); next.done !== true; next = await file.rest.next()) {
      run.takenBytes += next.value.byteLength;
      await reservation.take({ bytes: next.value.byteLength, files: 0 }, comingBytes(run));
      await writer.write(next.value, freeChunk);
    }
    return await finishInto(writer, { ordinal: file.ordinal, path: file.path });
  } finally {
    await writer.close();
  }
}

/** Reads until the part ends or is no longer small. */
async function readHead(stream: AsyncIterator<Uint8Array>): Promise<{ head: Uint8Array; isWhole: boolean }> {
  const gathering = startGathering();
  for (let next = await stream.next(); next.done !== true; next = await stream.next()) {
    gathering.add(next.value);
    freeChunk(next.value);
    if (gathering.sizeBytes > smallBytesMax) return { head: gathering.bytes(), isWhole: false };
  }
  return { head: gathering.bytes(), isWhole: true };
}

/**
 * Refuses sets of paths that cannot exist together, and keeps the last of those sent twice. Files that may be renamed are all
 * kept: the commit gives each a path of its own. @throws entry_conflict
 */
function settlePaths(files: readonly StagedFile[], ifExists: StageTarget['ifExists']): StageResult {
  const sent = files.toSorted((a, b) => a.ordinal - b.ordinal);
  if (ifExists === 'rename') return { files: sent, voided: [] };
  const last = new Map<string, StagedFile>();
  for (const file of sent) last.set(file.path, file);
  for (const path of last.keys()) {
    for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1)) {
      if (last.has(path.slice(0, cut))) {
        throw domainError('entry_conflict', 'A path of this upload is both a file and a directory.');
      }
    }
  }
  const kept = new Set(last.values());
  return { files: [...kept], voided: files.filter((file) => !kept.has(file)) };
}

/**
 * Receives the files of a request into staging, each synced to disk, all of it reserved before it is written. Small
 * files are gathered and written side by side; larger ones are streamed. Memory is O(one batch).
 * @throws quota_exceeded, path_invalid, entry_conflict, volume_full, volume_unavailable and what `parts` throws
 */
export async function stageFiles(run: StageRun, parts: AsyncIterable<FilePart>): Promise<StageResult> {
  const { target } = run;
  const staged: StagedFile[] = [];
  const batch: SmallFile[] = [];
  let batchBytes = 0;
  for await (const part of parts) {
    const path = formatEntryPath(parseEntryPath(part.fileName, 'write'));
    const ordinal = run.ordinals;
    run.ordinals += 1;
    const stream = part.bytes[Symbol.asyncIterator]();
    const { head, isWhole } = await readHead(stream);
    if (!isWhole) {
      // Ordinals on disk stay below the reserved count, which is all that cleaning up after a crash goes by.
      staged.push(...(await flushBatch(target, batch)));
      batchBytes = 0;
      const large = { ordinal, path, head, rest: stream };
      staged.push(await stageLarge(run, large));
      continue;
    }
    run.takenBytes += head.byteLength;
    batch.push({ ordinal, path, content: head });
    batchBytes += head.byteLength;
    if (batchBytes >= batchBytesMax || batch.length >= batchFilesMax) {
      staged.push(...(await flushBatch(target, batch)));
      batchBytes = 0;
    }
  }
  staged.push(...(await flushBatch(target, batch)));
  if (staged.length === 0) throw domainError('upload_empty', 'The request holds no file.');
  return settlePaths(staged, target.ifExists);
}
