import type { EntryStat } from './volume.ts';

/** Whether putting another file in the place of an entry frees it: a file that has no other name. */
export function isFreedByReplacing(target: EntryStat | null): boolean {
  return target?.kind === 'file' && target.links === 1;
}
