import type { BigIntStats } from 'node:fs';
import { isDomainError } from '../../domain/errors.ts';
import type { TreeUsage, WorkOptions } from '../volume.ts';
import { type Directory, openChild, syncDirectory, withDirectory } from './directory.ts';
import { byteNames, openChildSync, openUpSync, statSync } from './directory-sync.ts';
import { type ByteName, nameFromBytes } from './entry-name.ts';
import { entryNotFound, hasErrno } from './errno.ts';
import { openArea, type VolumeRoot } from './folder-areas.ts';
import { idName } from './layout.ts';
import { createLevelStack } from './level-stack.ts';
import { createPace, type Pace, toTreeUsage } from './progress.ts';

/** Counts regular files that have one name; how those with several count is what the two measures differ in. */
type CountLinked = (stat: BigIntStats, pace: Pace) => void;

function countFile(stat: BigIntStats, pace: Pace): void {
  pace.tally.files += 1;
  pace.tally.bytes += Number(stat.size);
}

function countEntry(stat: BigIntStats, pace: Pace, countLinked: CountLinked): void {
  pace.tally.entries += 1;
  if (stat.isDirectory()) pace.tally.directories += 1;
  if (!stat.isFile()) return;
  if (stat.nlink > 1n) countLinked(stat, pace);
  else countFile(stat, pace);
}

/** Counts what lies directly in a directory. @returns the names of its subdirectories */
async function countEntries(directory: Directory, pace: Pace, countLinked: CountLinked): Promise<ByteName[]> {
  const subdirectories: ByteName[] = [];
  for (const name of byteNames(directory)) {
    if (pace.isOver()) await pace.rest();
    const stat = statSync(directory, nameFromBytes(name));
    // What lies behind a mount point is none of the folder's.
    if (stat?.dev !== directory.device) continue;
    countEntry(stat, pace, countLinked);
    if (stat.isDirectory()) subdirectories.push(name);
  }
  return subdirectories;
}

/**
 * As {@link countEntries}; a directory its owner locked against the service (mode 000) is opened up first, for else a
 * container could hide what it stores. The mode stays changed.
 */
async function countEvenLocked(
  directory: Directory,
  pace: Pace,
  countLinked: CountLinked,
): Promise<ByteName[]> {
  try {
    return await countEntries(directory, pace, countLinked);
  } catch (error) {
    if (!hasErrno(error, 'EACCES')) throw error;
    openUpSync(directory);
    return countEntries(directory, pace, countLinked);
  }
}

function openToCount(directory: Directory, name: ByteName): Directory | null {
  try {
    return openChildSync(directory, nameFromBytes(name));
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return null;
    throw error;
  }
}

/**
 * Counts a whole tree of any depth and width with a bounded number of descriptors. `start` stays open. `visit` gets each
 * directory once.
 */
async function countTree(
  start: Directory,
  pace: Pace,
  countLinked: CountLinked,
  visit: (directory: Directory) => Promise<void> = async () => undefined,
): Promise<void> {
  const levels = createLevelStack();
  try {
    await visit(start);
    levels.push('start', start.share(), await countEvenLocked(start, pace, countLinked));
    for (let next = levels.next(); next !== null; next = levels.next()) {
      if (pace.isOver()) await pace.rest();
      const child = openToCount(next.directory, next.name);
      if (child === null) continue;
      const names = await visitAndCount(child, pace, { countLinked, visit });
      levels.push(nameFromBytes(next.name), child, names);
    }
  } finally {
    levels.close();
  }
}

async function visitAndCount(
  child: Directory,
  pace: Pace,
  by: { readonly countLinked: CountLinked; readonly visit: (directory: Directory) => Promise<void> },
): Promise<ByteName[]> {
  try {
    await by.visit(child);
    return await countEvenLocked(child, pace, by.countLinked);
  } catch (error) {
    await child.close();
    throw error;
  }
}

/** Counts a tree that only we can reach and makes the names in each of its directories durable. */
export async function syncAndCount(start: Directory, options: WorkOptions): Promise<TreeUsage> {
  const pace = createPace(options);
  await countTree(start, pace, (stat) => countFile(stat, pace), syncDirectory);
  return toTreeUsage(pace.tally);
}

/** `Volume.measure`. */
export async function measureData(
  root: VolumeRoot,
  folderId: string,
  options: WorkOptions | undefined,
): Promise<TreeUsage> {
  const pace = createPace(options);
  const seen = new Set<bigint>();
  await withDirectory(openArea(root, folderId, 'data'), (data) =>
    countTree(data, pace, (stat) => {
      if (seen.has(stat.ino)) return;
      seen.add(stat.ino);
      countFile(stat, pace);
    }),
  );
  return toTreeUsage(pace.tally);
}

/** Opens `trash/<trashId>`. @throws entry_not_found */
export function openTrash(root: VolumeRoot, folderId: string, trashId: string): Promise<Directory> {
  const name = idName(trashId);
  return withDirectory(openArea(root, folderId, 'trash'), async (trash) => {
    try {
      return await openChild(trash, name);
    } catch (error) {
      throw hasErrno(error, 'ENOENT') ? entryNotFound(error) : error;
    }
  });
}

/** `Volume.measureTrash`. */
export async function measureTrash(
  root: VolumeRoot,
  folderId: string,
  trashId: string,
  options: WorkOptions | undefined,
): Promise<TreeUsage> {
  const pace = createPace(options);
  const seen = new Map<bigint, bigint>();
  try {
    await withDirectory(openTrash(root, folderId, trashId), (trash) =>
      countTree(trash, pace, (stat) => {
        const names = (seen.get(stat.ino) ?? 0n) + 1n;
        seen.set(stat.ino, names);
        // Only the last name of the inode frees it; with a name elsewhere that one is never met.
        if (names === stat.nlink) countFile(stat, pace);
      }),
    );
  } catch (error) {
    if (!isDomainError(error, 'entry_not_found')) throw error;
  }
  return toTreeUsage(pace.tally);
}
