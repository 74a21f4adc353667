import { hasErrno } from '../errno.ts';
import type { Directory } from '../handles/directory.ts';
import { evenLocked, openChildSync, statDirectorySync } from '../handles/directory-sync.ts';
import { type ByteName, type EntryName, nameFromBytes } from '../handles/entry-name.ts';
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

/** The way from the root of a tree down to where its last part began, kept open for the next one. */
export interface Way {
  readonly root: Directory;
  readonly names: ByteName[];
  readonly below: Directory[];
}

/**
 * Opens the root of a tree, one component at a time and never through a symlink.
 * @returns what the caller gives to {@link closeWay}; `null` when it is not there any more
 */
export function openWay(volume: Directory, task: TreeTask): Way | null {
  const opened: Directory[] = [];
  try {
    const root = openChain(volume, task.root, opened) ? opened.pop() : undefined;
    return root === undefined ? null : { root, names: [], below: [] };
  } finally {
    closeAll(opened);
  }
}

/** Closes it; a part that is being worked off has handles of its own. */
export function closeWay({ root, below }: Way): void {
  closeAll([...below, root]);
}

function closeAll(directories: readonly Directory[]): void {
  for (const directory of directories) void directory.close();
}

/** Leads the way to `path`, opening only what it does not have yet. @returns whether all is there */
function lead(way: Way, path: readonly ByteName[]): boolean {
  const { root, names, below } = way;
  let known = 0;
  while (known < names.length && names[known] === path[known]) known += 1;
  names.length = known;
  closeAll(below.splice(known));
  const rest = path.slice(known);
  if (rest.length === 0) return true;
  const opened: Directory[] = [];
  try {
    if (!openChain(below.at(-1) ?? root, rest.map(nameFromBytes), opened)) return false;
    // Only now is it known that none of them is a mount point.
    names.push(...rest);
    below.push(...opened.splice(0));
    return true;
  } finally {
    closeAll(opened);
  }
}

/**
 * Works off a part of the tree that `way` leads through, which may be closed meanwhile, in small steps, by handles of
 * directories that it opens, one component at a time and never through a symlink. A part that is not there any more is no work.
 * @returns whether a purge found nothing
 */
export function* runPart(way: Way, verb: TreeVerb, part: TreePart, work: Work): Generator<void, boolean> {
  if (!lead(way, part.path)) return true;
  const start = way.root.share();
  const below = way.below.map((directory) => directory.share());
  try {
    if (verb === 'purge') return yield* purgePart([start, ...below], part, work);
    yield* measurePart(below.at(-1) ?? start, part, work);
    return false;
  } finally {
    closeAll([...below, start]);
  }
}
