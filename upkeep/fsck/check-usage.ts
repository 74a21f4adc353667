import { setTimeout as delay } from 'node:timers/promises';
import type { CheckedFolder } from '../../db/queries/fsck.ts';
import { mendReserved } from '../../db/queries/fsck.ts';
import {
  accountForTrash,
  type MeasuredUsage,
  settleMeasure,
  startMeasure,
} from '../../db/queries/measure.ts';
import type { Usage } from '../../domain/quota.ts';
import { countTrash, measuredUsage, type UnaccountedTrash } from '../../worker/count-trash.ts';
import { aboutFolder, type VolumeCase } from './case.ts';

/** The waits before a folder that changed while it was counted is counted again. */
const waitsMs = [100, 500, 2_000];

/** The wait before directories that seem to be too many or too few are counted again: longer than one request makes any. */
const directoriesWaitMs = 1_000;

/** A count during which nothing changed. */
interface Count {
  readonly mutationSeq: number;
  readonly before: MeasuredUsage;
  readonly usage: MeasuredUsage;
  readonly unaccounted: readonly UnaccountedTrash[];
}

/** @returns `null` for a folder that is no longer live, `busy` for one that changed meanwhile */
async function countOnce({ db, volume }: VolumeCase, folderId: string): Promise<Count | 'busy' | null> {
  const start = await startMeasure(db, folderId);
  if (start === null) return null;
  if (start.isBusy) return 'busy';
  const { bytes, files, directories } = await volume.measure(folderId);
  const counted = await countTrash(db, volume, folderId, new AbortController().signal);
  const end = await startMeasure(db, folderId);
  if (end === null) return null;
  if (end.isBusy || end.mutationSeq !== start.mutationSeq) return 'busy';
  const { mutationSeq, before } = end;
  const usage = measuredUsage({ bytes, files, directories }, counted?.trash ?? null, before);
  return { mutationSeq, before, usage, unaccounted: counted?.unaccounted ?? [] };
}

async function countAtRest(target: VolumeCase, folderId: string): Promise<Count | null> {
  for (const waitMs of [0, ...waitsMs]) {
    await delay(waitMs);
    const count = await countOnce(target, folderId);
    if (count !== 'busy') return count;
  }
  target.skip(folderId);
  return null;
}

class CountVoid extends Error {}

/** Writes a count as a measurement does: only if nothing has changed since. */
async function writeCount({ db }: VolumeCase, folderId: string, count: Count): Promise<boolean> {
  const { mutationSeq, usage, unaccounted } = count;
  try {
    await db.transaction(async (tx) => {
      if (!(await accountForTrash(tx, unaccounted))) throw new CountVoid();
      if (!(await settleMeasure(tx, { folderId, mutationSeq, usage }))) throw new CountVoid();
    });
    return true;
  } catch (error) {
    if (error instanceof CountVoid) return false;
    throw error;
  }
}

/** Counts a folder again and writes that. @returns whether it is written: not for one that is gone or never at rest */
export async function recount(target: VolumeCase, folderId: string): Promise<boolean> {
  for (const waitMs of [0, ...waitsMs]) {
    await delay(waitMs);
    const count = await countOnce(target, folderId);
    if (count === null) return false;
    if (count !== 'busy' && (await writeCount(target, folderId, count))) return true;
  }
  throw new Error('the folder changes all the time');
}

function isSame(one: Usage, other: Usage): boolean {
  return one.bytes === other.bytes && one.files === other.files;
}

function describe(recorded: Usage, found: Usage): string {
  const text = ({ bytes, files }: Usage) => `${bytes} bytes in ${files} files`;
  return `${text(recorded)} recorded, ${text(found)} found`;
}

function directoryDrift({ before, usage }: Count): number {
  return usage.directories - before.directories;
}

/**
 * A request counts directories before it makes them, and nothing says that it is under way; so only a drift that a second count
 * finds as well is one.
 */
async function checkDirectories(target: VolumeCase, folderId: string, count: Count): Promise<void> {
  if (directoryDrift(count) === 0) return;
  await delay(directoriesWaitMs);
  const again = await countAtRest(target, folderId);
  if (again === null || directoryDrift(again) !== directoryDrift(count)) return;
  const { before, usage } = again;
  const detail = `${before.directories} directories recorded, ${usage.directories} found`;
  const found = aboutFolder(
    target.volume.name,
    folderId,
  )({ code: 'directories_drift', path: 'data', detail });
  await target.report({ ...found, mend: () => recount(target, folderId) });
}

/**
 * Compares what is recorded of a live folder with a walk of its tree and trash. Directories are told of only where nothing else
 * is, for what is written then holds for them as well.
 */
export async function checkUsage(target: VolumeCase, folderId: string): Promise<void> {
  const count = await countAtRest(target, folderId);
  if (count === null) return;
  const about = aboutFolder(target.volume.name, folderId);
  const mend = () => recount(target, folderId);
  const { before, usage } = count;
  const isLiveSame = isSame(before.live, usage.live);
  if (!isLiveSame) {
    const detail = describe(before.live, usage.live);
    await target.report({ ...about({ code: 'usage_drift', path: 'data', detail }), mend });
  }
  const isTrashSame = isSame(before.trash, usage.trash);
  if (!isTrashSame) {
    const detail = describe(before.trash, usage.trash);
    await target.report({ ...about({ code: 'trash_drift', path: 'trash', detail }), mend });
  }
  if (isLiveSame && isTrashSame) await checkDirectories(target, folderId, count);
}

/** Compares what a folder has reserved with what its open uploads and copies hold, which one statement read at once. */
export async function checkReserved(target: VolumeCase, folder: CheckedFolder): Promise<void> {
  const { id, state, reserved, owed } = folder;
  if ((state !== 'active' && state !== 'trashed') || isSame(reserved, owed)) return;
  const text = ({ bytes, files }: Usage) => `${bytes} bytes and ${files} files`;
  const detail = `${text(reserved)} reserved, ${text(owed)} held by open uploads and copies`;
  const mend = () => target.db.transaction((tx) => mendReserved(tx, id));
  await target.report({ ...aboutFolder(target.volume.name, id)({ code: 'reserved_drift', detail }), mend });
}
