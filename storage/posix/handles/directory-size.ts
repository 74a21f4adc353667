import fs from 'node:fs';
import type { Directory } from './directory.ts';
import { pathOf } from './entry-name.ts';

/**
 * File systems whose directories have at least one byte of size for every name: ext2 to ext4, XFS, Btrfs, tmpfs, ZFS.
 * Others say 4096 of any directory, or what the files in it hold.
 */
const boundingTypes: ReadonlySet<number> = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x2fc12fc1]);
/** A directory of this size has some thousand names at most, which are in memory before they are worth batches. */
const smallBytesMax = 32_768n;

/** By device, which has one file system for as long as a process has a handle on it. */
const known = new Map<bigint, boolean>();

function boundsNames(directory: Directory): boolean {
  let bounds = known.get(directory.device);
  if (bounds === undefined) {
    bounds = boundingTypes.has(directory.usingSync((fd) => fs.statfsSync(pathOf(fd)).type));
    known.set(directory.device, bounds);
  }
  return bounds;
}

/** Whether a directory of that size (`st_size`) has so few names that they may be read at once. */
export function isSmallDirectory(directory: Directory, sizeBytes: bigint): boolean {
  return sizeBytes > 0n && sizeBytes <= smallBytesMax && boundsNames(directory);
}
