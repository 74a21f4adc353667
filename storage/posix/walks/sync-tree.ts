import type { TreeUsage, WorkOptions } from '../../volume.ts';
import { type Directory, syncDirectory } from '../handles/directory.ts';
import { openChildSync, readEntries, statSync } from '../handles/directory-sync.ts';
import { type ByteName, nameFromBytes } from '../handles/entry-name.ts';
import { createLevelStack } from './level-stack.ts';
import { createPace, type Pace, toTreeUsage } from './progress.ts';

/** Counts what lies directly in a directory and makes its names durable. @returns the names of its subdirectories */
async function syncDirectoryAndCount(directory: Directory, pace: Pace): Promise<ByteName[]> {
  await syncDirectory(directory);
  const { tally } = pace;
  const subdirectories: ByteName[] = [];
  for (const { name } of readEntries(directory)) {
    if (pace.isOver()) await pace.rest();
    const stat = statSync(directory, nameFromBytes(name));
    if (stat === null) continue;
    tally.entries += 1;
    if (stat.isDirectory()) {
      tally.directories += 1;
      subdirectories.push(name);
    } else if (stat.isFile()) {
      tally.files += 1;
      tally.bytes += Number(stat.size);
    }
  }
  return subdirectories;
}

/** Counts a tree that only we can reach and makes the names in each of its directories durable. `start` stays open. */
export async function syncAndCount(start: Directory, options: WorkOptions): Promise<TreeUsage> {
  const pace = createPace(options);
  const levels = createLevelStack();
  try {
    const names = await syncDirectoryAndCount(start, pace);
    levels.push('start', start.share(), names);
    for (let next = levels.next(); next !== null; next = levels.next()) {
      if (pace.isOver()) await pace.rest();
      const name = nameFromBytes(next.name);
      const child = openChildSync(next.directory, name);
      try {
        const pending = await syncDirectoryAndCount(child, pace);
        levels.push(name, child.share(), pending);
      } finally {
        await child.close();
      }
    }
  } finally {
    levels.close();
  }
  return toTreeUsage(pace.tally);
}
