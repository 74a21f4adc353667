import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isInhabited, loadTables } from '../db/copy-tables.ts';
import { migrateDatabase, newestMigration } from '../db/migrate.ts';
import type { RestoredFolder, RestoredStage, StagedName } from '../db/settle-restored.ts';
import { stageIdOf } from '../domain/upload-session.ts';
import type { Config } from '../runtime/config.ts';
import type { PosixVolume } from '../storage/posix/posix-volume.ts';
import { copyFolder } from './copy-folder.ts';
import { openHashes } from './hashes.ts';
import {
  layoutOf,
  type Manifest,
  readManifest,
  readSavedFolders,
  type SavedFolder,
  writeDurably,
} from './manifest.ts';
import { withNewDatabase } from './reach-database.ts';
import { BackupDamagedError, UpkeepRefusal } from './refusal.ts';
import { requireKey, restoreSecrets } from './secrets.ts';
import { volumeNamed, withVolumes } from './volumes.ts';

/** What came back. */
export interface RestoreResult {
  readonly folders: number;
  readonly files: number;
  readonly bytes: number;
  /** Folders that were deleted while the backup was made. */
  readonly gone: number;
}

/** Names the backup that is being restored, so that a restore which was cut off can be run again. */
const markName = 'restore.pending';

async function requireFit(dir: string, config: Config, manifest: Manifest): Promise<void> {
  if (manifest.schema !== newestMigration()) {
    const whose = manifest.schema > newestMigration() ? 'a newer' : 'an older';
    throw new UpkeepRefusal(
      `The backup is of ${whose} version (${manifest.product_version}): restore it with that version, then upgrade.`,
    );
  }
  const absent = manifest.volumes.filter((name) => !config.volumes.has(name));
  if (absent.length > 0) {
    throw new UpkeepRefusal(
      `VFOLDER_VOLUMES does not name ${absent.map((name) => `"${name}"`).join(', ')}, which the backup has.`,
    );
  }
  await requireKey(dir, config, manifest);
}

/** Nothing may be overwritten, except what an earlier run of the same restore wrote. */
async function requireRoom(config: Config, manifest: Manifest): Promise<void> {
  const markPath = join(config.dataDir, markName);
  const mark = await readFile(markPath, 'utf8').catch(() => undefined);
  if (mark?.trim() === manifest.id) return;
  for (const [name, root] of config.volumes) {
    const found = await readdir(join(root, 'f')).catch(() => []);
    if (found.length === 0) continue;
    throw new UpkeepRefusal(`The volume "${name}" at ${root} holds folders: restore into an empty one.`);
  }
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  await rm(markPath, { force: true });
  await writeDurably(markPath, `${manifest.id}\n`);
}

async function restoreFolder(
  folder: SavedFolder,
  from: PosixVolume,
  to: PosixVolume,
): Promise<RestoredFolder> {
  const { id } = folder;
  if (folder.status === 'gone') return { id, bytes: 0, files: 0, directories: 0, isGone: true };
  const found = await copyFolder({
    folderId: id,
    from,
    to,
    onSkip: ({ path, reason }) => {
      throw new BackupDamagedError(`The backup cannot be read: "${path}" of folder ${id} is ${reason}.`);
    },
  });
  if (found === null || found.bytes !== folder.bytes || found.files !== folder.files) {
    throw new BackupDamagedError(
      `The backup is damaged: folder ${id} has ${found?.files ?? 0} files of ${found?.bytes ?? 0} bytes, not ${folder.files} of ${folder.bytes}.`,
    );
  }
  const { bytes, files, directories } = found;
  return { id, bytes, files, directories, isGone: false };
}

/** Looks up which staged files are back, and under which inode. */
async function findStages(
  staged: readonly StagedName[],
  volumeOf: (folderId: string) => PosixVolume | undefined,
): Promise<RestoredStage[]> {
  const stages: RestoredStage[] = [];
  for (const { folderId, uploadId, ordinal } of staged) {
    const stat = await volumeOf(folderId)?.statStage(folderId, stageIdOf(uploadId, ordinal));
    if (stat) stages.push({ uploadId, ordinal, inode: stat.inode, version: stat.version });
  }
  return stages;
}

/** @throws when a file is not the one that was saved */
async function requireSame(
  dir: string,
  folders: readonly SavedFolder[],
  volumes: ReadonlyMap<string, PosixVolume>,
): Promise<void> {
  const hashes = openHashes(dir);
  try {
    for (const { id, volume, status } of folders) {
      if (status === 'saved') await hashes.requireSame(volumeNamed(volumes, volume), id);
    }
  } finally {
    hashes.close();
  }
}

/** What is brought back, and whether every file is compared with what the backup noted of it. */
interface Restoring {
  readonly dir: string;
  readonly manifest: Manifest;
  readonly isVerifying: boolean;
}

async function fill(
  { dir, manifest, isVerifying }: Restoring,
  url: string,
  config: Config,
): Promise<RestoreResult> {
  const layout = layoutOf(dir);
  const folders = await readSavedFolders(dir);
  const present = new Map(
    folders.filter(({ status }) => status === 'saved').map((folder) => [folder.id, folder]),
  );
  const sources = new Map(manifest.volumes.map((name) => [name, layout.volume(name)]));
  return await withVolumes(sources, (from) =>
    withVolumes(config.volumes, async (to) => {
      const restored: RestoredFolder[] = [];
      for (const folder of folders) {
        const pair = [volumeNamed(from, folder.volume), volumeNamed(to, folder.volume)] as const;
        restored.push(await restoreFolder(folder, ...pair));
      }
      if (isVerifying) await requireSame(dir, folders, to);
      await loadTables(url, {
        tables: manifest.tables,
        openSource: (table) => createReadStream(layout.table(table)),
        files: {
          folders: restored,
          endedUploads: manifest.ended_uploads,
          committedUploads: manifest.committed_uploads,
          findStages: (staged) =>
            findStages(staged, (folderId) => {
              const folder = present.get(folderId);
              return folder === undefined ? undefined : volumeNamed(to, folder.volume);
            }),
        },
      });
      return {
        folders: present.size,
        files: restored.reduce((sum, { files }) => sum + files, 0),
        bytes: restored.reduce((sum, { bytes }) => sum + bytes, 0),
        gone: folders.length - present.size,
      };
    }),
  );
}

/**
 * Brings an installation back into empty volumes and an empty database: files first, each folder checked against the
 * backup, then all rows in one transaction. Until that one the database has no users, so a restore that is cut off can only
 * be run again. @throws UpkeepRefusal, ConfigError
 */
export async function restore(
  dir: string,
  config: Config,
  { isVerifying = false }: { readonly isVerifying?: boolean } = {},
): Promise<RestoreResult> {
  const manifest = await readManifest(dir);
  if (isVerifying && !manifest.has_hashes) {
    throw new UpkeepRefusal(
      'This backup was made without --verify: there is nothing to compare its files with.',
    );
  }
  await requireFit(dir, config, manifest);
  return await withNewDatabase(config, async (url) => {
    if (await isInhabited(url)) {
      throw new UpkeepRefusal('The database holds an installation already: restore into an empty one.');
    }
    await requireRoom(config, manifest);
    await migrateDatabase(url);
    // Before the rows, which nobody could use without the key.
    await restoreSecrets(dir, config);
    const result = await fill({ dir, manifest, isVerifying }, url, config);
    await rm(join(config.dataDir, markName), { force: true });
    return result;
  });
}
