import type { BigIntStats } from 'node:fs';
import type { EntryPath } from '../../../domain/entry-path.ts';
import type { LentName, SkippedEntry, WalkedEntry } from '../../volume.ts';
import { entryNotFound, hasErrno, toStorageError } from '../errno.ts';
import { openArea, type VolumeRoot } from '../folder-areas.ts';
import { descend } from '../handles/descend.ts';
import { type Directory, withDirectory } from '../handles/directory.ts';
import { openChildSync, statSync } from '../handles/directory-sync.ts';
import { decodeName, type EntryName, nameFromBytes } from '../handles/entry-name.ts';
import { kindOf, toEntryStat } from '../handles/entry-stat.ts';
import { openRegularFile } from '../handles/open-file.ts';
import { namesDescending } from '../listings/sorted-names.ts';
import { createTimeSlice, type TimeSlice } from '../time-slice.ts';
import { createLevelStack, type LevelStack } from './level-stack.ts';
import { createLooks, type Looks } from './look-ahead.ts';

/** Deepest entry a walk hands out, counted in components from the folder's root. */
export const walkDepthMax = 1000;

/** What `Volume.walk` takes. */
export interface WalkOptions {
  readonly signal?: AbortSignal;
  readonly onSkip?: (entry: SkippedEntry) => void;
}

interface Walk {
  readonly root: VolumeRoot;
  readonly folderId: string;
  readonly options: WalkOptions;
  readonly slice: TimeSlice;
  readonly levels: LevelStack;
  readonly looks: Looks;
}

/** An entry met, before it is known whether it can be handed out. */
interface Met {
  readonly directory: Directory;
  readonly name: EntryName;
  /** Of the directory it is in. */
  readonly parents: readonly string[];
}

function skip(walk: Walk, path: readonly string[], reason: string): void {
  walk.options.onSkip?.({ path: path.join('/'), reason });
}

/**
 * Lends the directory of what was walked, however late: while the walk keeps it, its handle, at once; else one from
 * walking down again.
 */
async function withMetDirectory<T>(
  walk: Walk,
  met: Met,
  work: (directory: Directory) => Promise<T>,
): Promise<T> {
  try {
    if (met.directory.isOpen()) return await withDirectory(met.directory.share(), work);
    return await withDirectory(openArea(walk.root, walk.folderId, 'data'), (data) =>
      withDirectory(descend(data, met.parents, 'entry_not_found'), work),
    );
  } catch (error) {
    throw toStorageError(error);
  }
}

/** What the contract says of an entry that was met; only the inode that was met counts. */
function handOut(walk: Walk, met: Met, path: readonly string[], found: BigIntStats): WalkedEntry {
  const { ino: inode } = found;
  const lentIn = (directory: number, device: bigint): LentName => {
    return { directory, name: Buffer.from(met.name), inode, device };
  };
  const lend = <T>(directory: Directory, use: (lent: LentName) => Promise<T>): Promise<T> => {
    return directory.usingWithin((fd) => use(lentIn(fd, directory.device)));
  };
  return {
    path,
    stat: toEntryStat(found),
    open: () => withMetDirectory(walk, met, (directory) => openRegularFile(directory, met.name, inode)),
    // A number that is lent stays open although the walk closes it: no owner of its own, for there are many entries.
    lend: (use) =>
      met.directory.isOpen()
        ? lend(met.directory, use)
        : withMetDirectory(walk, met, (directory) => lend(directory, use)),
    within: met.directory,
    beside: ({ directory, device }) => lentIn(directory, device),
  };
}

/** The entry to hand out, or `null` when it was skipped or has vanished. */
function judge(walk: Walk, met: Met, found: BigIntStats | null): WalkedEntry | null {
  const { text, isAddressable } = decodeName(met.name);
  const path = [...met.parents, text];
  if (found === null) return null;
  const kind = kindOf(found);
  if (!isAddressable) skip(walk, path, 'name_not_utf8');
  else if (kind === 'symlink' || kind === 'other') skip(walk, path, kind);
  // A mount point: whatever is behind it is none of the folder's.
  else if (found.dev !== met.directory.device) skip(walk, path, 'other');
  else return handOut(walk, met, path, found);
  return null;
}

/** Goes into a directory that was met, or says why it cannot. One that has vanished or changed kind is passed over. */
async function enter(walk: Walk, met: Met, path: readonly string[]): Promise<void> {
  if (path.length >= walkDepthMax) {
    skip(walk, path, 'too_deep');
    return;
  }
  let directory: Directory | undefined;
  try {
    directory = openChildSync(met.directory, met.name);
    const names = await namesDescending(directory, walk.slice);
    walk.levels.push(met.name, directory, names);
  } catch (error) {
    await directory?.close();
    if (hasErrno(error, 'EACCES')) skip(walk, path, 'unreadable');
    else if (!hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw error;
  }
}

async function* walkLevels(walk: Walk, above: readonly string[]): AsyncGenerator<WalkedEntry> {
  const { levels, slice } = walk;
  const prefixes: (readonly string[])[] = [above];
  for (let next = levels.next(); next !== null; next = levels.next()) {
    if (slice.isOver()) await slice.rest();
    prefixes.length = levels.depth;
    const parents = prefixes.at(-1) ?? above;
    const met: Met = { directory: next.directory, name: nameFromBytes(next.name), parents };
    const looked = walk.looks.look(next.directory, next.name, levels.upcoming);
    const entry = judge(walk, met, looked instanceof Promise ? await looked : looked);
    if (entry === null) continue;
    yield entry;
    if (entry.stat.kind !== 'directory') continue;
    const depth = levels.depth;
    await enter(walk, met, entry.path);
    if (levels.depth > depth) prefixes.push(entry.path);
  }
}

async function* walkFrom(walk: Walk, data: Directory, path: EntryPath): AsyncGenerator<WalkedEntry> {
  const name = path.at(-1);
  if (name === undefined) {
    walk.levels.push('data', data.share(), await namesDescending(data, walk.slice));
    yield* walkLevels(walk, []);
    return;
  }
  const parents = path.slice(0, -1);
  const directory = await descend(data, parents, 'entry_not_found');
  try {
    if (statSync(directory, name) === null) throw entryNotFound();
    // One name to visit: what is there is then treated like any entry below.
    walk.levels.push('start', directory.share(), [Buffer.from(name).toString('latin1')]);
    yield* walkLevels(walk, parents);
  } finally {
    void directory.close();
  }
}

/**
 * `Volume.walk`. A named start is handed out first, the folder's root is not. Memory holds the unvisited names of the
 * directories from the start to the present one.
 */
export async function* walkTree(
  root: VolumeRoot,
  folderId: string,
  path: EntryPath,
  options: WalkOptions,
): AsyncGenerator<WalkedEntry> {
  options.signal?.throwIfAborted();
  const levels = createLevelStack();
  const walk: Walk = {
    root,
    folderId,
    options,
    slice: createTimeSlice(options.signal),
    levels,
    looks: createLooks(),
  };
  const data = await openArea(root, folderId, 'data');
  try {
    yield* walkFrom(walk, data, path);
  } catch (error) {
    throw toStorageError(error);
  } finally {
    levels.close();
    // Not waited for: who was lent a place of the last entries may need this walk to end before giving it back.
    void data.close();
  }
}
