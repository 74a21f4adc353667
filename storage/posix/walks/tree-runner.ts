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
    const directory = evenLocked(parent, () => openChildSync(parent, name));
    if (statDirectorySync(directory).dev === parent.device) return directory;
    void directory.close();
    return null;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return null;
    throw error;
  }
}

/** Opens one directory after the other into `opened`. @returns whether all are there */
function openChain(volume: Directory, names: readonly EntryName[], opened: Directory[]): boolean {
  for (const name of names) {
    const next = openNext(opened.at(-1) ?? volume, name);
    if (next === null) return false;
    opened.push(next);
  }
  return true;
}

/**
 * Works off a part of a tree in small steps, by handles of directories that it opens, one component at a time and never
 * through a symlink, and closes again. A part that is not there any more is no work.
 * @returns whether a purge found nothing
 */
export function* runPart(
  volume: Directory,
  task: TreeTask,
  part: TreePart,
  work: Work,
): Generator<void, boolean> {
  const opened: Directory[] = [];
  try {
    const names = [...task.root, ...part.path.map(nameFromBytes)];
    if (!openChain(volume, names, opened)) return true;
    const [root, ...below] = opened.slice(task.root.length - 1);
    if (root === undefined) return true;
    if (task.verb === 'purge') return yield* purgePart([root, ...below], part, work);
    yield* measurePart(below.at(-1) ?? root, part, work);
    return false;
  } finally {
    for (const directory of opened) void directory.close();
  }
}
