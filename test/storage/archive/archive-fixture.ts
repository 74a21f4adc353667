import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { parseEntryPath } from '../../../domain/entry-path.ts';
import type { ArchiveSummary } from '../../../storage/archive/archive-order.ts';
import type { ArchiveFormat } from '../../../storage/archive/entry-fields.ts';
import type { Packer } from '../../../storage/archive/packer.ts';
import { writeArchive } from '../../../storage/archive/write-archive.ts';
import { folderComponents } from '../../../storage/posix/layout.ts';
import { openPosixVolume, type PosixVolume } from '../../../storage/posix/posix-volume.ts';
import { createTempDir } from '../../support/temp-dir.ts';
import { readTar } from './read-tar.ts';
import { type ReadEntry, readZip } from './read-zip.ts';

/** A real volume with one folder, and the folder's `data` as a container would see it. */
export interface ArchiveFixture {
  readonly volume: PosixVolume;
  readonly folderId: string;
  /** Absolute path of `data`. */
  readonly data: string;
  write(path: string, content: string | Buffer): Promise<void>;
  close(): Promise<void>;
}

/** Makes a volume in a temporary directory, with threads of its own or given ones; `close` removes it. */
export async function createArchiveFixture(packer?: Packer): Promise<ArchiveFixture> {
  const dir = await createTempDir();
  const threads = packer === undefined ? {} : { packer };
  const volume = await openPosixVolume({ name: 'local', root: dir.path, ...threads });
  const folderId = randomUUID();
  await volume.createFolder(folderId);
  const data = join(dir.path, 'f', ...folderComponents(folderId), 'data');
  return {
    volume,
    folderId,
    data,
    write: async (path, content) => {
      await mkdir(join(data, path, '..'), { recursive: true });
      await writeFile(join(data, path), content);
    },
    close: async () => {
      await volume.close();
      await dir.remove();
    },
  };
}

/** Reads any of the containers. */
export function readContainer(format: ArchiveFormat, bytes: Buffer): ReadEntry[] {
  if (format === 'zip') return readZip(bytes);
  return readTar(format === 'tar.gz' ? gunzipSync(bytes) : bytes);
}

/** Writes an archive into memory. */
export async function archive(
  { volume, folderId }: Pick<ArchiveFixture, 'folderId'> & { volume: ArchiveFixture['volume'] },
  format: ArchiveFormat,
  files: readonly string[] = [''],
): Promise<{ summary: ArchiveSummary; bytes: Buffer }> {
  const sink = new PassThrough();
  const paths = files.map((file) => parseEntryPath(file, 'read'));
  const [summary, bytes] = await Promise.all([
    writeArchive({ volume, folderId, paths, format, sink }),
    buffer(sink),
  ]);
  return { summary, bytes };
}

async function openTargets(): Promise<string[]> {
  const numbers = await readdir('/proc/self/fd');
  return await Promise.all(numbers.map((number) => readlink(`/proc/self/fd/${number}`).catch(() => '')));
}

/** Open descriptors of this process that lead into `directory`. */
export async function countDescriptors(directory: string): Promise<number> {
  const targets = await openTargets();
  return targets.filter((target) => target.startsWith(directory)).length;
}

/** As `countDescriptors`, but for entries of users only: a volume keeps the folders it used last open themselves. */
export async function countOpenEntries(volumeRoot: string): Promise<number> {
  const targets = await openTargets();
  return targets.filter((target) => target.startsWith(`${volumeRoot}/f/`) && target.includes('/data')).length;
}
