import { type Database, openDatabase } from '../../db/client.ts';
import { assertMigrated } from '../../db/migrate.ts';
import { countVolumeFolders, findFolderIds } from '../../db/queries/fsck.ts';
import { isReadOnlyVolume } from '../../db/queries/volumes.ts';
import type { Config } from '../../runtime/config.ts';
import type { PosixVolume } from '../../storage/posix/posix-volume.ts';
import { holdsEntries } from '../../worker/set-aside.ts';
import { outboxOnly } from '../outbox-only.ts';
import { withDatabase } from '../reach-database.ts';
import { reasonOf } from '../reason.ts';
import { NotFoundRefusal, UpkeepRefusal } from '../refusal.ts';
import { chooseVolumes, isMounted, requireMounted, volumeNamed, withVolumes } from '../volumes.ts';
import type { VolumeCase } from './case.ts';
import { checkFolders } from './check-folders.ts';
import { checkVolume } from './check-volume.ts';
import { type Found, findingKinds, type Outcome, type ToldFinding, tell } from './findings.ts';

/** What is to be checked, and whether it is mended. */
export interface FsckOptions {
  readonly isFixing: boolean;
  /** Only this volume. */
  readonly volume?: string | undefined;
  /** Only what belongs to the folder of this id, or to those that their owners know by this name. */
  readonly folder?: string | undefined;
  /** Hears of every finding once it is known what becomes of it. */
  readonly onFinding: (told: ToldFinding) => Promise<void>;
}

/** What a check came to. */
export interface FsckSummary {
  readonly folders: number;
  /** Folders that changed whenever they were counted; nothing is said about their counters. */
  readonly unsettled: number;
  /** The sum of `fixed`, `gone` and `left`. */
  readonly faults: number;
  /** Faults that were mended. */
  readonly fixed: number;
  /** Faults that had mended themselves by the time of the fix. */
  readonly gone: number;
  readonly notes: number;
  /** Notes that were dealt with. */
  readonly fixed_notes: number;
  /** Faults that are still there. */
  readonly left: number;
}

/** A summary that grows. */
type Tally = { -readonly [K in keyof FsckSummary]: FsckSummary[K] };

/** A check that has found nothing yet. */
export function emptyTally(): Tally {
  return { folders: 0, unsettled: 0, faults: 0, fixed: 0, gone: 0, left: 0, notes: 0, fixed_notes: 0 };
}

/** Mends a finding where that is possible, and allowed by now. @returns what became of it, and why it failed */
async function mend(found: Found, db: Database): Promise<{ outcome: Outcome; reason?: string }> {
  if (findingKinds[found.code].fix === null || found.mend === undefined) return { outcome: 'left' };
  try {
    if (await isReadOnlyVolume(db, found.volume)) return { outcome: 'left' };
    return { outcome: (await found.mend()) ? 'fixed' : 'gone' };
  } catch (error) {
    return { outcome: 'failed', reason: reasonOf(error) };
  }
}

/** Notes are counted apart: faults are those that were mended, those that mended themselves, and those that are left. */
export function countFinding(tally: Tally, level: 'fault' | 'note', outcome: Outcome): void {
  if (level === 'note') {
    tally.notes += 1;
    if (outcome === 'fixed') tally.fixed_notes += 1;
    return;
  }
  tally.faults += 1;
  if (outcome === 'fixed') tally.fixed += 1;
  else if (outcome === 'gone') tally.gone += 1;
  else tally.left += 1;
}

/** Mends a finding if that is wanted, tells it, and counts it. */
async function settle(
  found: Found,
  options: FsckOptions,
  { db, tally }: { readonly db: Database; readonly tally: Tally },
): Promise<void> {
  const { level } = findingKinds[found.code];
  const { outcome, reason } = options.isFixing ? await mend(found, db) : { outcome: 'left' as const };
  countFinding(tally, level, outcome);
  await options.onFinding(tell(found, outcome, reason));
}

/** The volumes to check: those that hold folders, and of the others those that are there. @throws UpkeepRefusal, ConfigError */
async function findRoots(
  wanted: ReadonlyMap<string, string>,
  counts: ReadonlyMap<string, number>,
): Promise<ReadonlyMap<string, string>> {
  const roots = new Map<string, string>();
  for (const [name, root] of wanted) {
    if (counts.has(name)) await requireMounted(name, root);
    else if (!(await isMounted(root))) continue;
    roots.set(name, root);
  }
  return roots;
}

/** A database that knows nothing of a full volume is most likely another one; then everything would be set aside. */
async function requireKnown(volume: PosixVolume): Promise<void> {
  for await (const batch of volume.listFolders()) {
    for (const { id } of batch) {
      if (!(await holdsEntries(volume, id))) continue;
      throw new UpkeepRefusal(
        `The database knows no folder on the volume "${volume.name}", which holds some: is it the right one? Without --fix they are listed.`,
      );
    }
  }
}

/** Volumes that other machines have. */
function elsewhere(config: Pick<Config, 'volumes'>, counts: ReadonlyMap<string, number>): Found[] {
  const absent = [...counts].filter(([name]) => !config.volumes.has(name));
  return absent.map(([volume, count]) => ({
    code: 'volume_elsewhere',
    volume,
    folderId: null,
    path: null,
    detail: `not checked, because VFOLDER_VOLUMES does not name it here: ${count} folders`,
  }));
}

async function check(url: string, config: Config, options: FsckOptions): Promise<FsckSummary> {
  const applicationName = 'vfolder-fsck';
  const client = openDatabase({ url, connectionsMax: 4, applicationName });
  // It holds a temporary table.
  const single = openDatabase({ url, connectionsMax: 1, applicationName, isLasting: true });
  const tally = emptyTally();
  try {
    const { db } = client;
    await assertMigrated(db);
    const ids = options.folder === undefined ? undefined : await findFolderIds(db, options.folder);
    if (ids?.length === 0) throw new NotFoundRefusal(`There is no folder "${options.folder}".`);
    const counts = await countVolumeFolders(db);
    const roots = await findRoots(chooseVolumes(config, options.volume), counts);
    const isWhole = ids === undefined && options.volume === undefined;
    for (const found of isWhole ? elsewhere(config, counts) : []) await settle(found, options, { db, tally });
    await withVolumes(roots, async (volumes) => {
      for (const name of roots.keys()) {
        if (options.isFixing && !counts.has(name)) await requireKnown(volumeNamed(volumes, name));
        const target: VolumeCase = {
          db,
          session: single.db,
          volume: volumeNamed(volumes, name),
          jobs: outboxOnly,
          report: (found) => settle(found, options, { db, tally }),
          skip: () => {
            tally.unsettled += 1;
          },
        };
        tally.folders += await checkFolders(target, ids);
        if (ids === undefined) await checkVolume(target);
      }
    });
    return tally;
  } finally {
    await single.close(5);
    await client.close(5);
  }
}

/**
 * Compares rows and files both ways, beside a running service or a stopped one: a finding is looked at again, in the order
 * that the service changes things in, before it is told. Nothing is changed unless `isFixing`; a fix is fenced as the
 * service's own changes are, may be cut off and repeated, and never removes anything from a `data` that holds something.
 * Memory does not grow with the installation.
 * @throws UpkeepRefusal, NotFoundRefusal, ConfigError, SchemaOutdatedError
 */
export function runFsck(config: Config, options: FsckOptions): Promise<FsckSummary> {
  return withDatabase(config, (url) => check(url, config, options));
}
