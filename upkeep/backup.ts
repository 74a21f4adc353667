import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { type Database, openDatabase } from '../db/client.ts';
import { dumpTables, type OpenUpload, type Snapshot, type SnapshotFolder } from '../db/copy-tables.ts';
import { assertMigrated } from '../db/migrate.ts';
import { findFolderMark } from '../db/queries/facts.ts';
import { readMoment } from '../db/queries/moves.ts';
import { findUploadStates } from '../db/queries/uploads.ts';
import type { Config } from '../runtime/config.ts';
import { version } from '../runtime/version.ts';
import type { SkippedEntry, Volume } from '../storage/volume.ts';
import { catchUp } from './catch-up.ts';
import { copyFolder } from './copy-folder.ts';
import { hashFolder } from './hashes.ts';
import { layoutOf, type Manifest, type SavedFolder, toLines, writeDurably } from './manifest.ts';
import { withDatabase } from './reach-database.ts';
import { UpkeepRefusal } from './refusal.ts';
import { saveSecrets } from './secrets.ts';
import { requireMounted, volumeNamed, withVolumes } from './volumes.ts';

/** Something that a backup could not keep as it is. */
export type BackupFinding =
  | { readonly kind: 'skipped'; readonly folder: string; readonly path: string; readonly reason: string }
  | { readonly kind: 'missing'; readonly folder: string }
  | { readonly kind: 'short'; readonly folder: string; readonly recorded: number; readonly saved: number };

/** A finished backup. */
export interface BackupResult {
  readonly manifest: Manifest;
  readonly findings: readonly BackupFinding[];
}

async function requireEmpty(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if ((await readdir(dir)).length === 0) return;
  throw new UpkeepRefusal(`${dir} is not empty: each backup takes a directory of its own.`);
}

/** Every volume that holds folders has to be within reach. */
async function requireVolumes(snapshot: Snapshot, config: Pick<Config, 'volumes'>): Promise<void> {
  for (const name of new Set(snapshot.folders.map(({ volume }) => volume))) {
    const root = config.volumes.get(name);
    if (root === undefined)
      throw new UpkeepRefusal(`VFOLDER_VOLUMES does not name the volume "${name}", which has folders.`);
    await requireMounted(name, root);
  }
}

interface FolderBackup {
  readonly db: Database;
  readonly from: Volume;
  readonly to: Volume;
  readonly findings: BackupFinding[];
}

/** Copies one folder, with what others moved or replaced meanwhile, and compares it with what is recorded, unless it changed since the snapshot. */
async function saveFolder(target: FolderBackup, folder: SnapshotFolder): Promise<SavedFolder> {
  const { db, from, to, findings } = target;
  const { id, volume } = folder;
  const since = await readMoment(db);
  const skipped: SkippedEntry[] = [];
  const copied = await copyFolder({ folderId: id, from, to, onSkip: (entry) => skipped.push(entry) });
  const first = { db, folderId: id, from, to, since, skipped };
  const saved = copied === null ? null : await catchUp({ ...first, usage: copied });
  const mark = await findFolderMark(db, id);
  const isLive = mark?.state === 'active' || mark?.state === 'trashed' || mark?.state === 'cloning';
  if (!isLive) return { id, volume, status: 'gone', bytes: 0, files: 0 };
  const stoodStill = mark.mutationSeq === folder.mutationSeq && folder.state !== 'cloning';
  // What was deleted while it was read is no loss.
  const left = [...(saved?.skipped ?? []), ...(stoodStill ? (saved?.gone ?? []) : [])];
  const kind = 'skipped';
  findings.push(...left.map(({ path, reason }) => ({ kind, folder: id, path, reason }) as const));
  if (saved === null && folder.state !== 'cloning') findings.push({ kind: 'missing', folder: id });
  const { bytes, files } = saved?.usage ?? { bytes: 0, files: 0 };
  if (saved !== null && stoodStill && bytes < folder.bytes) {
    findings.push({ kind: 'short', folder: id, recorded: folder.bytes, saved: bytes });
  }
  return { id, volume, status: 'saved', bytes, files };
}

/** What became of uploads while files were read. */
async function sortUploads(db: Database, open: readonly OpenUpload[]) {
  const states = await findUploadStates(
    db,
    open.map(({ id }) => id),
  );
  const ended = open.filter(({ id, state }) => state === 'receiving' && states.get(id) !== 'receiving');
  const committed = open.filter(({ id, state }) => state === 'staged' && states.get(id) === 'committed');
  return { ended: ended.map(({ id }) => id), committed: committed.map(({ id }) => id) };
}

async function saveFolders(dir: string, url: string, snapshot: Snapshot, config: Pick<Config, 'volumes'>) {
  const findings: BackupFinding[] = [];
  const saved: SavedFolder[] = [];
  const names = [...new Set(snapshot.folders.map(({ volume }) => volume))];
  const layout = layoutOf(dir);
  const sources = new Map([...config.volumes].filter(([name]) => names.includes(name)));
  const targets = new Map(names.map((name) => [name, layout.volume(name)]));
  const client = openDatabase({ url, connectionsMax: 1, applicationName: 'vfolder-backup' });
  try {
    await withVolumes(sources, (from) =>
      withVolumes(targets, async (to) => {
        for (const folder of snapshot.folders) {
          const pair = { from: volumeNamed(from, folder.volume), to: volumeNamed(to, folder.volume) };
          saved.push(await saveFolder({ db: client.db, findings, ...pair }, folder));
        }
      }),
    );
    return { saved, findings, volumes: names, ...(await sortUploads(client.db, snapshot.openUploads)) };
  } finally {
    await client.close(5);
  }
}

/** Reads everything back, in the order that it was saved in, and notes what each file is. */
async function noteHashes(
  dir: string,
  saved: readonly SavedFolder[],
  names: readonly string[],
): Promise<void> {
  const layout = layoutOf(dir);
  const roots = new Map(names.map((name) => [name, layout.volume(name)]));
  await withVolumes(roots, async (volumes) => {
    async function* lines(): AsyncGenerator<string> {
      for (const { id, volume, status } of saved) {
        if (status !== 'saved') continue;
        for await (const file of hashFolder(volumeNamed(volumes, volume), id)) yield toLines([file]);
      }
    }
    const sink = createWriteStream(layout.hashes, { flags: 'wx', mode: 0o600, flush: true });
    await pipeline(lines(), sink);
  });
}

async function assertReady(url: string): Promise<void> {
  const client = openDatabase({ url, connectionsMax: 1, applicationName: 'vfolder-backup' });
  try {
    await assertMigrated(client.db);
  } finally {
    await client.close(5);
  }
}

/**
 * Saves an installation into an empty directory, while it runs or not: the rows of one moment first, then the files, so that
 * every file that a row promises was there to be copied; what changes meanwhile is put right by the restore. With
 * `isHashing` all of it is read back, and the restore can tell whether it still is what it was.
 * @throws UpkeepRefusal, ConfigError
 */
export async function backUp(
  dir: string,
  config: Config,
  { isHashing = false }: { readonly isHashing?: boolean } = {},
): Promise<BackupResult> {
  return await withDatabase(config, async (url) => {
    await assertReady(url);
    await requireEmpty(dir);
    const layout = layoutOf(dir);
    await mkdir(layout.database, { mode: 0o700 });
    const openSink = (table: string) =>
      createWriteStream(layout.table(table), { flags: 'wx', mode: 0o600, flush: true });
    const snapshot = await dumpTables(url, openSink);
    await requireVolumes(snapshot, config);
    const hasKey = await saveSecrets(dir, config, snapshot.keyFingerprint);
    const { saved, findings, volumes, ended, committed } = await saveFolders(dir, url, snapshot, config);
    if (isHashing) await noteHashes(dir, saved, volumes);
    const manifest: Manifest = {
      format: 1,
      id: randomUUID(),
      made_at: snapshot.takenAt,
      schema: snapshot.schema,
      product_version: version,
      key_fingerprint: snapshot.keyFingerprint,
      has_key: hasKey,
      has_hashes: isHashing,
      tables: snapshot.tables.map(({ name, columns }) => ({ name, columns: [...columns] })),
      volumes,
      folders: saved.length,
      files: saved.reduce((sum, { files }) => sum + files, 0),
      bytes: saved.reduce((sum, { bytes }) => sum + bytes, 0),
      findings: findings.length,
      ended_uploads: ended,
      committed_uploads: committed,
    };
    await writeDurably(layout.folders, toLines(saved));
    await writeDurably(layout.findings, toLines(findings));
    await writeDurably(layout.manifest, `${JSON.stringify(manifest, null, 2)}\n`);
    return { manifest, findings };
  });
}
