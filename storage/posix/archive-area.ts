import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { isDomainError } from '../../domain/errors.ts';
import type { OpenFile, StagedContent, StageWriter, StoredName } from '../volume.ts';
import { toStorageError, volumeUnavailable } from './errno.ts';
import { descend, descendMaking } from './handles/descend.ts';
import {
  type Directory,
  openNumber,
  renameChild,
  syncDirectory,
  unlinkChild,
  withDirectory,
} from './handles/directory.ts';
import { byteNames } from './handles/directory-sync.ts';
import { openRegularFile } from './handles/open-file.ts';
import { modes, openFlags } from './handles/syscalls.ts';
import { archiveComponents, archivesName, isId } from './layout.ts';
import { listShelved } from './listings/stored-names.ts';
import { createStageWriter } from './staging/stage-writer.ts';

/** Partial archives are `<id>.<random>.part`: a second attempt never writes into, or publishes, the file of the first. */
const partSuffix = '.part';
const idLength = 36;

/** An archive that is being written, as in `Volume.createArchive`. */
export interface ArchiveDraft {
  readonly sink: Writable;
  flush(): Promise<void>;
  finish(): Promise<StagedContent>;
  abort(): Promise<void>;
}

function asError(error: unknown): Error {
  const failure = toStorageError(error);
  return failure instanceof Error ? failure : new Error('Writing failed.', { cause: failure });
}

function sinkOf(writer: StageWriter): Writable {
  const writeAll = async (chunks: readonly Uint8Array[]): Promise<void> => {
    for (const chunk of chunks) await writer.write(chunk);
  };
  return new Writable({
    highWaterMark: 1024 * 1024,
    write(chunk: Uint8Array, _encoding, done) {
      writer.write(chunk).then(
        () => done(),
        (error: unknown) => done(asError(error)),
      );
    },
    writev(items, done) {
      const chunks = items.map((item): Uint8Array => item.chunk);
      writeAll(chunks).then(
        () => done(),
        (error: unknown) => done(asError(error)),
      );
    },
  });
}

function openShelf(root: Directory, archiveId: string): Promise<Directory> {
  const [shelf] = archiveComponents(archiveId);
  return descend(root, [archivesName, shelf], 'entry_not_found');
}

/** Makes and opens where an archive lies. No name above it is a tenant's, so whatever else has one is damage. */
async function makeShelf(root: Directory, shelfName: string): Promise<Directory> {
  try {
    return await descendMaking(root, [archivesName, shelfName], { mode: modes.closed });
  } catch (error) {
    throw isDomainError(error, 'entry_conflict') ? volumeUnavailable(error) : error;
  }
}

/** `Volume.createArchive`. Only `finish` makes it visible; a later archive of the same id replaces it in one step. */
export async function createArchive(root: Directory, archiveId: string): Promise<ArchiveDraft> {
  const [shelfName, name] = archiveComponents(archiveId);
  const partName = `${name}.${randomBytes(8).toString('hex')}${partSuffix}`;
  const shelf = await makeShelf(root, shelfName);
  let writer: StageWriter;
  try {
    const fd = await openNumber(shelf, partName, openFlags.create, modes.file);
    writer = createStageWriter(fd, shelf.bulkhead);
  } catch (error) {
    await shelf.close();
    throw error;
  }
  const sink = sinkOf(writer);
  // Whoever writes sees the error in its callback or in `finish`; without a listener it would end the process.
  sink.on('error', () => undefined);
  return {
    sink,
    flush: () => writer.flush(),
    async finish() {
      try {
        if (!sink.writableEnded) sink.end();
        await finished(sink);
        const content = await writer.finish();
        await renameChild(shelf, partName, shelf, name);
        await syncDirectory(shelf);
        await shelf.close();
        return content;
      } catch (error) {
        throw toStorageError(error);
      }
    },
    async abort() {
      if (!shelf.isOpen()) return;
      sink.destroy();
      await writer.close();
      await unlinkChild(shelf, partName);
      await shelf.close();
    },
  };
}

/** `Volume.openArchive`. */
export function openArchive(root: Directory, archiveId: string): Promise<OpenFile> {
  const [, name] = archiveComponents(archiveId);
  return withDirectory(openShelf(root, archiveId), (shelf) => openRegularFile(shelf, name));
}

/** The archive a name in the area belongs to, or `null` when it is none of ours. */
export function archiveOf(name: string): string | null {
  const id = name.slice(0, idLength);
  const isOurs = name === id || (name[idLength] === '.' && name.endsWith(partSuffix));
  return isOurs && isId(id) ? id : null;
}

/** `Volume.removeArchive`. */
export async function removeArchive(root: Directory, archiveId: string): Promise<void> {
  const [, id] = archiveComponents(archiveId);
  try {
    await withDirectory(openShelf(root, archiveId), async (shelf) => {
      for (const name of byteNames(shelf)) {
        if (archiveOf(name) === id) await unlinkChild(shelf, name);
      }
    });
  } catch (error) {
    if (!isDomainError(error, 'entry_not_found')) throw error;
  }
}

/** `Volume.listArchives`. An archive that is published and being written again appears twice. */
export function listArchives(root: Directory): AsyncIterable<readonly StoredName[]> {
  return listShelved(root, { name: archivesName, levels: 1 }, archiveOf);
}
