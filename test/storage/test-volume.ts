import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type EntryPath, parseEntryPath } from '../../domain/entry-path.ts';
import { isDomainError } from '../../domain/errors.ts';
import type { Bulkhead } from '../../storage/posix/bulkhead.ts';
import { openPosixVolume } from '../../storage/posix/posix-volume.ts';
import { createHandPool } from '../../storage/posix/volume-threads/hands.ts';
import type { AloneMs } from '../../storage/posix/walks/crew.ts';
import type { OpenFile, StagedContent, Volume, WalkedEntry } from '../../storage/volume.ts';
import { createTempDir } from '../support/temp-dir.ts';

/** A volume to test, with one folder on it, and the way around it that a container has. */
export interface TestVolume {
  readonly volume: Volume;
  readonly folderId: string;
  /** The path of the folder's data, as a container would have it mounted. */
  readonly dataPath: string;
  /** The directory of the folder, with everything of it. */
  readonly folderPath: string;
  /** Where the volume lies; a test may put an outside canary beside it. */
  readonly rootPath: string;
  close(): Promise<void>;
}

/** How a suite gets its volume: a fresh one each time. */
export type OpenTestVolume = () => Promise<TestVolume>;

/** A folder's directory on a POSIX volume. */
export function folderPathOf(rootPath: string, folderId: string): string {
  return join(rootPath, 'f', folderId.slice(-4, -2), folderId.slice(-2), folderId);
}

/** Started once for all volumes of a test file: they load the source, which takes longer than most tests. They end with the process. */
export const testHandPool = createHandPool();

/** A posix volume on which walkers walk even the smallest tree. */
export function openTestVolumeWithWalkers(): Promise<TestVolume> {
  return openTestVolume({ aloneMs: { warm: 0, cold: 0 } });
}

/** A posix volume in a temporary directory of its own; `close` removes it. */
export async function openTestVolume(
  options: { readonly bulkhead?: Bulkhead; readonly aloneMs?: AloneMs } = {},
): Promise<TestVolume> {
  const dir = await createTempDir();
  const rootPath = join(dir.path, 'volume');
  const volume = await openPosixVolume({ name: 'test', root: rootPath, handPool: testHandPool, ...options });
  const folderId = randomUUID();
  await volume.createFolder(folderId);
  const folderPath = folderPathOf(rootPath, folderId);
  return {
    volume,
    folderId,
    folderPath,
    dataPath: join(folderPath, 'data'),
    rootPath,
    async close() {
      await volume.close();
      await dir.remove();
    },
  };
}

/** A path as a request to read would give it; tests use it for writes too, to reach names the policy refuses. */
export function at(path: string): EntryPath {
  return parseEntryPath(path, 'read');
}

/** Stages and commits a file. */
export async function putFile(
  { volume, folderId }: TestVolume,
  path: string,
  content: string | Uint8Array,
): Promise<StagedContent> {
  const stageId = randomUUID();
  const writer = await volume.createStage(folderId, stageId);
  await writer.write(Buffer.from(content));
  const staged = await writer.finish();
  await volume.commitStage(folderId, stageId, at(path));
  return staged;
}

/** All bytes of an open file, which is closed. */
export async function readAll(
  file: OpenFile,
  range?: { readonly start?: number; readonly end?: number },
): Promise<Buffer> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of file.stream(range)) chunks.push(chunk);
    return Buffer.concat(chunks);
  } finally {
    await file.close();
  }
}

/** Reads a file through the volume. */
export async function getFile({ volume, folderId }: TestVolume, path: string): Promise<string> {
  return (await readAll(await volume.open(folderId, at(path)))).toString();
}

/** Makes a trash directory with one entry in it. @returns its id */
export async function trash({ volume, folderId }: TestVolume, path: string): Promise<string> {
  const trashId = randomUUID();
  await volume.createTrash(folderId, trashId);
  await volume.trashEntry(folderId, at(path), trashId, 0);
  return trashId;
}

/** Everything a walk hands out, and what it skips as `reason path`. */
export async function walkAll(
  { volume, folderId }: TestVolume,
  path: string,
): Promise<{ readonly entries: WalkedEntry[]; readonly skipped: string[] }> {
  const entries: WalkedEntry[] = [];
  const skipped: string[] = [];
  const onSkip = (entry: { path: string; reason: string }): void => {
    skipped.push(`${entry.reason} ${entry.path}`);
  };
  for await (const entry of volume.walk(folderId, at(path), { onSkip })) entries.push(entry);
  return { entries, skipped };
}

/** The code a promise is refused with, `resolved` when it is not, and a sentence about any other error. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'resolved';
  } catch (error) {
    return isDomainError(error) ? error.code : `untyped: ${error}`;
  }
}
