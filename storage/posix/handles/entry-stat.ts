import type { BigIntStats } from 'node:fs';
import type { EntryKind, EntryStat } from '../../volume.ts';

const nsPerSecond = 1e9;

/** What kind of entry a `stat` shows. */
export function kindOf(stat: BigIntStats): EntryKind {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  return stat.isSymbolicLink() ? 'symlink' : 'other';
}

/**
 * Inode numbers are used again soon after they come free; the time of birth tells the users of one apart. Where the
 * file system keeps none, the version stands in for it: then a changed entry counts as another one.
 */
function identityOf(stat: BigIntStats, version: string): string {
  return stat.birthtimeNs > 0n ? `${stat.ino}-${stat.birthtimeNs}` : version;
}

/** What changes whenever the content was replaced or written to. */
export function versionOf(stat: BigIntStats): string {
  return `${stat.ino}-${stat.size}-${stat.mtimeNs}`;
}

/** What the contract tells of an entry. */
export function toEntryStat(stat: BigIntStats): EntryStat {
  const version = versionOf(stat);
  return {
    kind: kindOf(stat),
    sizeBytes: Number(stat.size),
    mode: Number(stat.mode),
    mtime: Number(stat.mtimeNs) / nsPerSecond,
    ctime: Number(stat.ctimeNs) / nsPerSecond,
    atime: Number(stat.atimeNs) / nsPerSecond,
    version,
    identity: identityOf(stat, version),
    inode: String(stat.ino),
    links: Number(stat.nlink),
  };
}
