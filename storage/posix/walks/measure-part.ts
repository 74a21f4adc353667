import { hasErrno } from '../errno.ts';
import type { Directory } from '../handles/directory.ts';
import {
  type DirectoryShape,
  evenLocked,
  openChildSync,
  quickStatSync,
  readRunsEvenLocked,
  statDirectorySync,
  statSync,
} from '../handles/directory-sync.ts';
import { type ByteName, nameFromBytes } from '../handles/entry-name.ts';
import { type HeldNames, holdGiven, holdNames } from './held-names.ts';
import { createLevelStack, type LevelStack } from './level-stack.ts';
import { cutEvenly, partDepthMax, type TreePart, type Work } from './tree-part.ts';

/** Least directories worth giving away before anybody waits for them. */
const worthwhileDirectories = 16;

interface Measure {
  readonly work: Work;
  /** Where the part begins. */
  readonly path: readonly ByteName[];
  readonly levels: LevelStack;
  /** From there to the directory being counted. */
  readonly below: ByteName[];
}

function countFile(work: Work, directory: Directory, device: number, bytes: ByteName): 'directory' | 'other' {
  const name = nameFromBytes(bytes);
  const stat = evenLocked(directory, () => quickStatSync(directory, name));
  // Vanished; or a mount point, and what lies behind it is none of the folder's.
  if (stat?.dev !== device) return 'other';
  if (stat.isDirectory()) return 'directory';
  const { tally } = work;
  tally.entries += 1;
  if (!stat.isFile()) return 'other';
  if (stat.nlink > 1) {
    const exact = statSync(directory, name);
    if (exact?.isFile()) {
      work.countLinked({ inode: exact.ino, links: exact.nlink, sizeBytes: exact.size });
    }
    return 'other';
  }
  tally.files += 1;
  tally.bytes += stat.size;
  return 'other';
}

/** Counts the next few files; the first of them tells how quick the storage is. */
function countSome(work: Work, directory: Directory, device: number, held: HeldNames): void {
  work.enter(directory);
  const startedAt = performance.now();
  let isFirst = true;
  for (const name of held.takeFiles(work.stepEntries())) {
    if (countFile(work, directory, device, name) === 'directory') held.directories.push(name);
    if (isFirst) work.sample(performance.now() - startedAt);
    isFirst = false;
  }
}

/** Who has nothing else keeps one of two: see {@link HeldNames.split}. */
function leastAtOnce(isBusy: boolean): number {
  return isBusy ? 1 : 2;
}

/** Gives away what was asked for: directories from the highest level, else what is held of the present one. */
function share(measure: Measure, held: HeldNames): void {
  const { work, levels, below } = measure;
  const demand = work.demand();
  if (demand === 'none') return;
  const isBusy = held.files.length + held.directories.length > 0;
  const minimum = demand === 'at_once' ? leastAtOnce(isBusy) : worthwhileDirectories;
  const takers = work.takers();
  const split = levels.split({ minimum, depthMax: partDepthMax - measure.path.length, takers });
  if (split !== null) {
    const path = [...measure.path, ...split.path];
    const runs = cutEvenly(split.names, takers);
    work.give(runs.map((directories) => ({ path, names: { files: [], directories } })));
    return;
  }
  if (measure.path.length + below.length > partDepthMax) return;
  held.fill();
  const shares = held.split(demand, { last: 'keep', stepEntries: work.stepEntries(), takers });
  const path = [...measure.path, ...below];
  if (shares.length > 0) work.give(shares.map((names) => ({ path, names })));
}

/** Counts what lies directly in a directory. @returns the names of its subdirectories */
function* countEntries(measure: Measure, directory: Directory, held: HeldNames): Generator<void, ByteName[]> {
  const device = Number(directory.device);
  try {
    for (;;) {
      if (held.files.length === 0) held.fill();
      share(measure, held);
      if (held.files.length === 0) return held.directories;
      countSome(measure.work, directory, device, held);
      yield;
    }
  } finally {
    held.close();
  }
}

/** Opens a directory to be counted; `null` for one that vanished, changed kind, or is a mount point. */
function openToCount(
  parent: Directory,
  name: ByteName,
): { readonly directory: Directory; readonly inode: bigint; readonly shape: DirectoryShape } | null {
  try {
    const directory = evenLocked(parent, () => openChildSync(parent, nameFromBytes(name)));
    const stat = statDirectorySync(directory);
    if (stat.dev === parent.device) return { directory, inode: stat.ino, shape: stat };
    void directory.close();
    return null;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return null;
    throw error;
  }
}

function* countDirectory(measure: Measure, parent: Directory, name: ByteName): Generator<void, void> {
  const { work, levels } = measure;
  const startedAt = performance.now();
  const opened = openToCount(parent, name);
  work.sample(performance.now() - startedAt);
  if (opened === null) return;
  const { directory, inode, shape } = opened;
  work.tally.entries += 1;
  work.tally.directories += 1;
  work.enter(directory);
  try {
    const held = holdNames(readRunsEvenLocked(directory, shape));
    const pending = yield* countEntries(measure, directory, held);
    if (pending.length > 0) levels.push(nameFromBytes(name), directory.share(), pending, inode);
  } finally {
    void directory.close();
  }
}

/**
 * Counts a part of a tree of any depth and width with a bounded number of descriptors, in small steps. A directory
 * that its owner locked against the service (mode 000) is opened up, for else a container could hide what it stores;
 * its mode stays changed. `start` is the directory at the part's path and stays open.
 */
export function* measurePart(start: Directory, part: TreePart, work: Work): Generator<void, void> {
  const measure: Measure = { work, path: part.path, levels: createLevelStack(), below: [] };
  const { levels, below } = measure;
  try {
    const { names } = part;
    const held = names === null ? holdNames(readRunsEvenLocked(start)) : holdGiven(names);
    const pending = yield* countEntries(measure, start, held);
    levels.push('start', start.share(), pending);
    for (let next = levels.next(); next !== null; next = levels.next()) {
      below.length = levels.depth - 1;
      below.push(next.name);
      yield* countDirectory(measure, next.directory, next.name);
      yield;
    }
  } finally {
    levels.close();
  }
}
