import assert from 'node:assert/strict';
import { hasErrno } from '../errno.ts';
import type { Directory } from '../handles/directory.ts';
import { openChildSync, statDirectorySync } from '../handles/directory-sync.ts';
import { type ByteName, bytesFromName, type EntryName } from '../handles/entry-name.ts';
import { sharesOf } from './tree-part.ts';

/** The deepest levels kept open, because a walk goes up and down there. */
const recentMax = 32;
/** Levels above those kept open, evenly spread, so that reopening one never starts far above it. */
const checkpointsMax = 64;

interface Level {
  readonly name: EntryName;
  readonly inode: bigint;
  /** Names still to visit, the next one last. */
  readonly pending: ByteName[];
  directory: Directory | null;
}

/** Part of what a walk has pending: names in the directory at `path` below the start. */
export interface Split {
  readonly path: readonly ByteName[];
  readonly names: readonly ByteName[];
}

/** How much is wanted; where one name is not enough, one is kept. */
export interface SplitOptions {
  readonly minimum: number;
  readonly depthMax: number;
  readonly takers: number;
}

/**
 * The directories from the start of a walk down to where it is, each with the names it still has to visit. A tree may
 * be deeper than a process may have descriptors, so at most about a hundred levels stay open; another is opened
 * again, one component at a time from the nearest open level above it, and counts only if it is the same inode: while
 * a walk is below, a container may have moved anything.
 */
export interface LevelStack {
  readonly depth: number;
  /** Enters `directory`, whose handle is taken over. `pending` is visited from its end; `inode` is the directory's. */
  push(name: EntryName, directory: Directory, pending: ByteName[], inode?: bigint): void;
  /**
   * The next name and the directory it is in, leaving exhausted levels behind; `null` at the end of the walk. Levels
   * that are not where they were are given up with what they had pending.
   */
  next(): { readonly directory: Directory; readonly name: ByteName } | null;
  /** Up to `count` of the names that {@link next} gives after its last one in the same directory. */
  upcoming(count: number): readonly ByteName[];
  /**
   * Takes half of what is pending away from the highest level that has at least `minimum` names to visit, or more for several
   * takers, those that would come last. Looks no deeper than `depthMax` levels below the first.
   * @returns the names from the first level down to that level, and what was taken; `null` when there is none
   */
  split(options: SplitOptions): Split | null;
  /** Closes everything. */
  close(): void;
}

function closeLevel(level: Level): void {
  // An O_PATH handle closes at once, or when the last `open` of a walked entry is through with it.
  void level.directory?.close();
  level.directory = null;
}

function openSame(parent: Directory, level: Level): Directory | null {
  try {
    const directory = openChildSync(parent, level.name);
    const stat = statDirectorySync(directory);
    if (stat.ino === level.inode && stat.dev === parent.device) return directory;
    void directory.close();
    return null;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES')) return null;
    throw error;
  }
}

/** Opens the last level again by way of those above it; keeps the recent ones, closes those only passed through. */
function reopenTop(levels: readonly Level[]): Directory | null {
  const top = levels.length - 1;
  const from = levels.findLastIndex((level) => level.directory !== null);
  for (let index = from + 1; index <= top; index += 1) {
    const parent = levels[index - 1];
    const level = levels[index];
    assert(parent?.directory && level, 'The first level stays open, and each next one was just opened.');
    level.directory = openSame(parent.directory, level);
    const isPassed = index - 1 > from && index - 1 < top - recentMax;
    if (isPassed) closeLevel(parent);
    if (level.directory === null) return null;
  }
  return levels[top]?.directory ?? null;
}

function splitLevels(levels: readonly Level[], minimum: number, takers: number): Split | null {
  const index = levels.findIndex(({ pending }) => pending.length >= minimum);
  const pending = levels[index]?.pending;
  if (pending === undefined) return null;
  const names = pending.splice(0, sharesOf(pending.length, takers, minimum > 1 ? 1 : 0));
  return { path: levels.slice(1, index + 1).map(({ name }) => bytesFromName(name)), names };
}

/** Starts a stack; the first `push` is the directory where the walk starts. */
export function createLevelStack(): LevelStack {
  const levels: Level[] = [];
  let stride = 1;
  const closeDistant = (): void => {
    const distant = levels.length - 1 - recentMax;
    if (distant <= 0) return;
    const level = levels[distant];
    if (level && distant % stride !== 0) closeLevel(level);
    if (distant / stride <= checkpointsMax) return;
    stride *= 2;
    for (const [index, passed] of levels.slice(0, distant).entries()) {
      if (index % stride !== 0) closeLevel(passed);
    }
  };
  const pop = (): void => {
    const level = levels.pop();
    if (level) closeLevel(level);
  };
  return {
    get depth() {
      return levels.length;
    },
    push(name, directory, pending, inode = statDirectorySync(directory).ino) {
      levels.push({ name, inode, pending, directory });
      closeDistant();
    },
    upcoming: (count) => levels.at(-1)?.pending.slice(-count) ?? [],
    split: ({ minimum, depthMax, takers }) => splitLevels(levels.slice(0, depthMax + 1), minimum, takers),
    next() {
      for (let level = levels.at(-1); level; level = levels.at(-1)) {
        const name = level.pending.at(-1);
        const directory = name === undefined ? null : (level.directory ?? reopenTop(levels));
        if (name !== undefined && directory !== null) {
          level.pending.pop();
          return { directory, name };
        }
        pop();
      }
      return null;
    },
    close() {
      while (levels.length > 0) pop();
    },
  };
}
