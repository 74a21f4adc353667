import { mkdtemp, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Database } from '../db/client.ts';
import { listFolderIds } from '../db/queries/facts.ts';
import { startMeasure } from '../db/queries/measure.ts';
import { findJobStates } from '../db/queries/sweep.ts';
import { listOwnedStageIds } from '../db/queries/uploads.ts';
import { listVolumeSettings } from '../db/queries/volumes.ts';
import { isDomainError } from '../domain/errors.ts';
import { isTerminal } from '../domain/job.ts';
import { openPosixVolume, type PosixVolume } from '../storage/posix/posix-volume.ts';
import { bad, type Check, type Finding, ok, skipped } from './finding.ts';
import { judgeRoom, judgeSkew, roomMend } from './thresholds.ts';

/** A volume to examine, with the database that knows its folders, where there is one. */
export interface VolumeCase {
  readonly name: string;
  readonly root: string;
  readonly db: Database | undefined;
  /** Count every folder instead of a sample. */
  readonly isDeep: boolean;
}

const pageLimit = 100;
const sampleMs = 8_000;
/** Long enough that whoever staged something has recorded it or died. */
const litterMs = 3_600_000;
const settleMs = 1_000;

/** Opening makes directories, which must not happen where a mount is missing. */
async function withVolume(
  target: VolumeCase,
  use: (volume: PosixVolume) => Promise<Finding>,
): Promise<Finding> {
  await stat(target.root);
  const volume = await openPosixVolume({ name: target.name, root: target.root });
  try {
    return await use(volume);
  } finally {
    await volume.close();
  }
}

async function ownership({ root }: VolumeCase): Promise<Finding> {
  const { uid } = await stat(root);
  const own = process.getuid?.();
  if (own === undefined || uid === own) return ok(`owned by uid ${uid}`);
  return bad(
    `owned by uid ${uid}, examined as uid ${own}`,
    `Run as uid ${uid}, or give it to uid ${own}: chown -R ${own} ${root}`,
  );
}

/** A volume that was made read-only for a while is easily left so. */
async function usability({ name }: VolumeCase, db: Database): Promise<Finding> {
  const setting = (await listVolumeSettings(db)).find((one) => one.name === name);
  const since = setting?.changedAt?.toISOString() ?? '';
  if (setting?.state === 'draining') return ok(`draining since ${since}: takes no new folders`);
  if (setting?.state !== 'read_only') return ok('active');
  return bad(
    `read-only since ${since}: changes are refused, and jobs wait`,
    `Open it when that is over: "vfolder admin volumes set ${name} --state active".`,
  );
}

/** Shared storage stamps files with the clock of its server. */
async function clock({ root }: VolumeCase): Promise<Finding> {
  const before = Date.now();
  const probe = await mkdtemp(join(root, '.vfolder-doctor-'));
  try {
    const after = Date.now();
    const { mtimeMs } = await stat(probe);
    return judgeSkew(mtimeMs - (before + after) / 2, after - before);
  } finally {
    await rmdir(probe);
  }
}

/** Folder by folder, for as long as a sample may take. @returns how many were looked at, and whether that was all */
async function eachFolder(
  { name, db, isDeep }: VolumeCase,
  look: (folderId: string, db: Database) => Promise<void>,
): Promise<{ readonly seen: number; readonly isAll: boolean }> {
  const endsAt = performance.now() + sampleMs;
  let after: string | null = null;
  let seen = 0;
  if (db === undefined) return { seen, isAll: true };
  for (;;) {
    const ids: string[] = await listFolderIds(db, { volume: name, after, limit: pageLimit });
    for (const id of ids) {
      if (!isDeep && performance.now() > endsAt) return { seen, isAll: false };
      await look(id, db);
      seen += 1;
    }
    after = ids.at(-1) ?? null;
    if (ids.length < pageLimit) return { seen, isAll: true };
  }
}

function scopeText({ seen, isAll }: { readonly seen: number; readonly isAll: boolean }): string {
  return isAll ? `${seen} folders` : `${seen} folders, the rest with --deep`;
}

async function litter(target: VolumeCase, volume: PosixVolume): Promise<Finding> {
  const found: string[] = [];
  const scope = await eachFolder(target, async (folderId, db) => {
    const old = (await volume.listStages(folderId)).filter(
      ({ modifiedAt }) => Date.now() - modifiedAt.getTime() > litterMs,
    );
    if (old.length === 0) return;
    const owned = await listOwnedStageIds(db, folderId);
    const jobs = await findJobStates(
      db,
      old.map(({ id }) => id),
    );
    for (const { id } of old) {
      const state = jobs.get(id);
      if (!owned.has(id) && (state === undefined || isTerminal(state))) found.push(folderId);
    }
  });
  if (found.length === 0) return ok(`none in ${scopeText(scope)}`);
  return bad(
    `${found.length} left-over staged files, the first in folder ${found[0]}`,
    'Workers sweep them away within hours; if they stay, see why "storage.sweep" fails: "vfolder jobs ls --all".',
  );
}

type Drift = { readonly bytes: number; readonly files: number } | 'busy';

async function driftOf(db: Database, volume: PosixVolume, folderId: string): Promise<Drift> {
  const start = await startMeasure(db, folderId);
  if (start === null || start.isBusy) return 'busy';
  const counted = await volume.measure(folderId);
  const end = await startMeasure(db, folderId);
  if (end === null || end.isBusy || end.mutationSeq !== start.mutationSeq) return 'busy';
  const { live } = end.before;
  return { bytes: counted.bytes - live.bytes, files: counted.files - live.files };
}

async function drift(target: VolumeCase, volume: PosixVolume): Promise<Finding> {
  const drifted: string[] = [];
  const scope = await eachFolder(target, async (folderId, db) => {
    let found = await driftOf(db, volume, folderId);
    if (found === 'busy') {
      await delay(settleMs);
      found = await driftOf(db, volume, folderId);
    }
    if (found !== 'busy' && (found.bytes !== 0 || found.files !== 0)) {
      drifted.push(`${folderId} by ${found.bytes} bytes and ${found.files} files`);
    }
  });
  if (drifted.length === 0) return ok(`none in ${scopeText(scope)}`);
  return bad(
    `${drifted.length} folders hold other than recorded, the first ${drifted[0]}`,
    'Count them again: "vfolder admin usage recount ID". Mounted folders drift by themselves and are counted daily.',
  );
}

/** What is full cannot be written to either, and mounting it anew mends nothing. */
function unlessFull(run: () => Promise<Finding>): Check['run'] {
  return async () => {
    try {
      return await run();
    } catch (error) {
      if (!isFull(error)) throw error;
      return bad('nothing more can be written', roomMend);
    }
  };
}

function isFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (isDomainError(error, 'volume_full')) return true;
  if ('code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')) return true;
  return isFull(error.cause);
}

/** What concerns one volume. A sample of its folders is counted, or with `isDeep` all. */
export function volumeChecks(target: VolumeCase): Check[] {
  const { name, root, db } = target;
  const mend = `Mount the volume at ${root} and give it to the user of the service, or mend VFOLDER_VOLUMES.`;
  const needsDatabase = (look: (volume: PosixVolume) => Promise<Finding>) => () =>
    db === undefined ? skipped('needs the database') : withVolume(target, look);
  return [
    {
      name: `volume ${name}`,
      mend,
      run: unlessFull(() =>
        withVolume(target, async (volume) => {
          await volume.selfTest();
          return ok(`writable, at ${root}`);
        }),
      ),
    },
    {
      name: `volume ${name}: state`,
      mend: 'Run "npm run migrate".',
      run: async () => (db === undefined ? skipped('needs the database') : usability(target, db)),
    },
    { name: `volume ${name}: owner`, mend, run: () => ownership(target) },
    {
      name: `volume ${name}: room`,
      mend,
      run: () =>
        withVolume(target, async (volume) => {
          const { bytesFree, bytesTotal } = await volume.capacity();
          return judgeRoom({ free: bytesFree, total: bytesTotal }, 'bytes');
        }),
    },
    {
      name: `volume ${name}: inodes`,
      mend,
      run: () =>
        withVolume(target, async (volume) => {
          const { inodesFree, inodesTotal } = await volume.capacity();
          return judgeRoom({ free: inodesFree, total: inodesTotal }, 'inodes');
        }),
    },
    { name: `volume ${name}: clock`, mend, run: unlessFull(() => clock(target)) },
    { name: `volume ${name}: litter`, mend, run: needsDatabase((volume) => litter(target, volume)) },
    { name: `volume ${name}: usage`, mend, run: needsDatabase((volume) => drift(target, volume)) },
  ];
}
