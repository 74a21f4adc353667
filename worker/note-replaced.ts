import type { ReplacedNote } from '../db/queries/upload-commits.ts';
import { domainError } from '../domain/errors.ts';
import { isFreedByReplacing } from '../storage/freed-by-replacing.ts';
import type { EntryStat } from '../storage/volume.ts';

/** What is at the target of a file of an upload. */
export interface TargetLook {
  readonly ordinal: number;
  readonly path: string;
  readonly target: EntryStat | null;
}

/** Noted for a file that stays, under another name. No inode is called so. */
const kept = '';

function noteOf({ ordinal, path, target }: TargetLook): ReplacedNote {
  if (target === null) return { ordinal, bytes: 0, files: 0 };
  if (target.kind !== 'file') {
    throw domainError('entry_conflict', `"${path}" exists and is not a regular file.`);
  }
  if (!isFreedByReplacing(target)) return { ordinal, bytes: 0, files: 0, inode: kept };
  return { ordinal, bytes: target.sizeBytes, files: 1, inode: target.inode };
}

/** The last look of each file with several names all of which are replaced: with it the file goes away. */
function lastNames(looks: readonly TargetLook[]): Map<number, EntryStat> {
  const met = new Map<string, Set<string>>();
  const last = new Map<number, EntryStat>();
  for (const { ordinal, path, target } of looks) {
    if (target?.kind !== 'file' || target.links === 1) continue;
    const paths = met.get(target.inode) ?? new Set();
    met.set(target.inode, paths);
    if (paths.has(path)) continue;
    paths.add(path);
    if (paths.size === target.links) last.set(ordinal, target);
  }
  return last;
}

/**
 * What replacing the targets of an upload frees. A file with several names counts once, as measuring counts it: it is freed
 * when this upload replaces all of them, and stays while there is another. @throws entry_conflict
 */
export function notesOf(looks: readonly TargetLook[]): ReplacedNote[] {
  const last = lastNames(looks);
  return looks.map((look) => {
    const target = last.get(look.ordinal);
    if (target === undefined) return noteOf(look);
    return { ordinal: look.ordinal, bytes: target.sizeBytes, files: 1, inode: target.inode };
  });
}
