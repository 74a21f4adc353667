import { hasErrno } from '../errno.ts';
import type { Directory } from '../handles/directory.ts';
import { evenLocked, openChildSync, statDirectorySync } from '../handles/directory-sync.ts';
import { type EntryName, nameFromBytes } from '../handles/entry-name.ts';
import { measurePart } from './measure-part.ts';
import { purgePart } from './purge-part.ts';
import type { TreePart, TreeVerb, Work } from './tree-part.ts';

/** A tree to work on: what is done to it, and the names from the volume's root to the tree's. */
export interface TreeTask {
  readonly verb: TreeVerb;
  readonly root: readonly string[];
}

/** The directory `name`, unless it is not there any more or something else is. */
function openNext(parent: Directory, name: EntryName): Directory | null {
  try {
    return evenLocked(parent, () => openChildSync(parent, name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return null;
    throw error;
  }
}

/**
 * Opens one directory after the other into `opened`. The device is compared once, at the end: a mount point cannot be left
 * again by walking down.
 * @returns whether all are there
 */
function openChain(start: Directory, names: readonly EntryName[], opened: Directory[]): boolean {
  for (const name of names) {
    const next = openNext(opened.at(-1) ?? start, name);
    if (next === null) return false;
    opened.push(next);
  }
  const last = opened.at(-1);
  return last === undefined || statDirectorySync(last).dev === start.device;
}

/**
 * Opens the root of a tree, one component at a time and never through a symlink.
 * @returns a handle for the caller to close; `null` when it is not there any more
 */
export function openTree(volume: Directory, task: TreeTask): Directory | null {
  const opened: Directory[] = [];
  try {
    return openChain(volume, task.root, opened) ? (opened.pop() ?? null) : null;
  } finally {
    for (const directory of opened) void directory.close();
  }
}

/**
 * Works off a part of the tree at `root`, which may be closed meanwhile, in small steps, by handles of directories that it
 * opens, one component at a time and never through a symlink, and closes again. A part that is not there any more is no work.
 * @returns whether a purge found nothing
 */
export function* runPart(
  root: Directory,
  verb: TreeVerb,
  part: TreePart,
  work: Work,
): Generator<void, boolean> {
  const start = root.share();
  const below: Directory[] = [];
  try {
    if (!openChain(start, part.path.map(nameFromBytes), below)) return true;
    if (verb === 'purge') return yield* purgePart([start, ...below], part, work);
    yield* measurePart(below.at(-1) ?? start, part, work);
    return false;
  } finally {
    for (const directory of below) void directory.close();
    void start.close();
  }
}
