import assert from 'node:assert/strict';
import { type EntryPath, splitEntryPath } from '../../domain/entry-path.ts';
import { isDomainError } from '../../domain/errors.ts';
import type {
  CopyOptions,
  CopyTarget,
  PurgeOptions,
  TreeUsage,
  WalkedEntry,
  WorkOptions,
} from '../volume.ts';
import { copyFile } from './copy-file.ts';
import { hasErrno } from './errno.ts';
import { openArea, type VolumeRoot, withAreas } from './folder-areas.ts';
import { descend } from './handles/descend.ts';
import {
  type Directory,
  makeChild,
  openChild,
  statChild,
  unlinkChild,
  withDirectory,
} from './handles/directory.ts';
import { type Place, resumePlacing } from './handles/place.ts';
import { idName } from './layout.ts';
import { removeFromArea } from './walks/purge.ts';
import { syncAndCount } from './walks/sync-tree.ts';

/** Files copied and synced at the same time. */
const parallelCopies = 8;
const permissionBits = 0o777;
/** Whatever the source allows, we have to be able to put the content in. */
const enterableBits = 0o700;

interface Copy {
  readonly root: Directory;
  readonly toNames: (path: readonly string[]) => readonly string[];
  readonly options: CopyOptions;
  readonly done: { entries: number; bytes: number };
  /** Files under way; they all lie in `parent`. */
  running: Promise<void>[];
  parent: { readonly names: readonly string[]; readonly directory: Directory } | null;
}

async function drain(copy: Copy): Promise<void> {
  const outcomes = await Promise.allSettled(copy.running);
  copy.running = [];
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function isAt(copy: Copy, names: readonly string[]): boolean {
  const at = copy.parent?.names;
  return at?.length === names.length && at.every((name, index) => name === names[index]);
}

/** A walk stays in one directory for long, so only the present one is kept open. */
async function enter(copy: Copy, names: readonly string[]): Promise<Directory> {
  if (copy.parent !== null && isAt(copy, names)) return copy.parent.directory;
  await drain(copy);
  await copy.parent?.directory.close();
  copy.parent = null;
  const directory = await descend(copy.root, names, 'entry_conflict');
  copy.parent = { names, directory };
  return directory;
}

async function makeDirectory(place: Place, sourceMode: number): Promise<void> {
  const mode = (sourceMode & permissionBits) | enterableBits;
  if (await makeChild(place.directory, place.name, mode)) return;
  if ((await statChild(place.directory, place.name))?.isDirectory()) return;
  // An earlier run met a file of that name.
  await unlinkChild(place.directory, place.name);
  await makeChild(place.directory, place.name, mode);
}

/** What is wrong with one entry of the source alone keeps it out of the copy; everything else ends the copy. */
function skipReason(error: unknown): string | undefined {
  if (isDomainError(error, 'entry_not_found')) return 'vanished';
  if (isDomainError(error, 'entry_not_regular')) return 'changed';
  if (isDomainError(error, 'entry_conflict')) return 'unreadable';
  return undefined;
}

async function copyOne(copy: Copy, entry: WalkedEntry, place: Place): Promise<void> {
  try {
    await copyFile(entry, place, copy.options);
  } catch (error) {
    const reason = skipReason(error);
    if (reason === undefined) throw error;
    copy.options.onSkip({ path: entry.path.join('/'), reason });
  }
  copy.done.entries += 1;
  copy.done.bytes += entry.stat.sizeBytes;
  copy.options.onProgress?.({ ...copy.done });
}

async function copyEntry(copy: Copy, entry: WalkedEntry): Promise<void> {
  const names = copy.toNames(entry.path);
  const name = names.at(-1);
  assert(name !== undefined, 'Every walked entry has a name at the target.');
  const directory = await enter(copy, names.slice(0, -1));
  if (entry.stat.kind === 'directory') {
    await copy.options.admit({ bytes: 0, files: 0, directories: 1 });
    await makeDirectory({ directory, name }, entry.stat.mode);
    return;
  }
  await copy.options.admit({ bytes: entry.stat.sizeBytes, files: 1, directories: 0 });
  copy.running.push(copyOne(copy, entry, { directory, name }));
  if (copy.running.length >= parallelCopies) await drain(copy);
}

async function copyAll(copy: Copy, entries: AsyncIterable<WalkedEntry>): Promise<void> {
  try {
    for await (const entry of entries) {
      copy.options.signal?.throwIfAborted();
      await copyEntry(copy, entry);
    }
    await drain(copy);
  } finally {
    await Promise.allSettled(copy.running);
    await copy.parent?.directory.close();
  }
}

function namesAt(target: CopyTarget): Copy['toNames'] {
  if (target.area === 'data') return (path) => path;
  const { start, stageId } = target;
  return (path) => [idName(stageId), ...path.slice(start.length)];
}

/** Counts what was copied, and syncs its directories; the files are synced already. */
async function settleTree(area: Directory, target: CopyTarget, options: WorkOptions): Promise<TreeUsage> {
  if (target.area === 'data') return syncAndCount(area, options);
  const name = idName(target.stageId);
  const stat = await statChild(area, name);
  if (stat?.isDirectory()) return withDirectory(openChild(area, name), (tree) => syncAndCount(tree, options));
  return { bytes: Number(stat?.size ?? 0), files: stat === null ? 0 : 1, directories: 0 };
}

/** `Volume.copyTree`. */
export async function copyTree(
  root: VolumeRoot,
  folderId: string,
  target: CopyTarget,
  source: { readonly entries: AsyncIterable<WalkedEntry>; readonly options: CopyOptions },
): Promise<TreeUsage> {
  const { entries, options } = source;
  return withDirectory(openArea(root, folderId, target.area), async (area) => {
    const done = { entries: 0, bytes: 0 };
    const copy: Copy = { root: area, toNames: namesAt(target), options, done, running: [], parent: null };
    await copyAll(copy, entries);
    return settleTree(area, target, options.signal === undefined ? {} : { signal: options.signal });
  });
}

/** `Volume.publishTree`. */
export function publishTree(
  root: VolumeRoot,
  folderId: string,
  stageId: string,
  target: { readonly path: EntryPath; readonly inode: string },
): Promise<void> {
  const { parent, name } = splitEntryPath(target.path);
  return withAreas(root, folderId, { from: 'stage', to: 'data' }, ({ from, to }) =>
    withDirectory(descend(to, parent, 'entry_conflict'), (directory) =>
      resumePlacing({ directory: from, name: idName(stageId) }, { directory, name }, target.inode),
    ),
  );
}

/** `Volume.discardTree`. */
export async function discardTree(
  root: VolumeRoot,
  folderId: string,
  stageId: string,
  options: PurgeOptions | undefined,
): Promise<void> {
  const name = idName(stageId);
  options?.signal?.throwIfAborted();
  try {
    const isTree = await withDirectory(openArea(root, folderId, 'stage'), async (stage) => {
      if ((await statChild(stage, name))?.isDirectory()) return true;
      await unlinkChild(stage, name);
      return false;
    });
    if (isTree) await removeFromArea(root, folderId, { area: 'stage', name }, options);
  } catch (error) {
    // A folder that is gone has no staged tree either, and somebody else may discard it as well.
    if (!hasErrno(error, 'ENOENT') && !isDomainError(error, 'entry_not_found')) throw error;
  }
}
