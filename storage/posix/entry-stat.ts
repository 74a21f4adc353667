import type { BigIntStats } from 'node:fs';
import type { EntryKind, EntryStat } from '../volume.ts';

const nsPerSecond = 1e9;

/** What kind of entry a `stat` shows. */
export function kindOf(stat: BigIntStats): EntryKind {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  return stat.isSymbolicLink() ? 'symlink' : 'other';
}

/** What the contract tells of an entry. */
export function toEntryStat(stat: BigIntStats): EntryStat {
  return {
    kind: kindOf(stat),
    sizeBytes: Number(stat.size),
    mode: Number(stat.mode),
    mtime: Number(stat.mtimeNs) / nsPerSecond,
    ctime: Number(stat.ctimeNs) / nsPerSecond,
    atime: Number(stat.atimeNs) / nsPerSecond,
    version: `${stat.ino}-${stat.size}-${stat.mtimeNs}`,
    inode: String(stat.ino),
    links: Number(stat.nlink),
  };
}
