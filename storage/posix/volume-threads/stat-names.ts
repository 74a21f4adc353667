import fs from 'node:fs';
import type { Done } from '../../threads/serve-tasks.ts';
import type { EntryStat } from '../../volume.ts';
import { errnoOf, hasErrno } from '../errno.ts';
import { type ByteName, nameFromBytes, pathAt } from '../handles/entry-name.ts';
import { toEntryStat } from '../handles/entry-stat.ts';

// Runs in threads. The directory's number is lent until the thread has answered.

/** Names to look at in a directory whose descriptor is lent. */
export interface StatTask {
  readonly kind: 'stat';
  readonly directory: number;
  readonly names: readonly ByteName[];
}

/** What is there of them, in their order, `null` for what nothing has; or the system call that failed. */
export type StatResult =
  | { readonly kind: 'stats'; readonly stats: readonly (EntryStat | null)[] }
  | { readonly kind: 'stat_failed'; readonly errno: number; readonly message: string };

function statName(directory: number, name: ByteName): EntryStat | null {
  try {
    return toEntryStat(fs.lstatSync(pathAt(directory, nameFromBytes(name)), { bigint: true }));
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

/** `lstat` of several names. */
export function statNames({ directory, names }: StatTask): Done<StatResult> {
  try {
    const stats = names.map((name) => statName(directory, name));
    return { result: { kind: 'stats', stats }, transfer: [] };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 0) throw error;
    const message = error instanceof Error ? error.message : '';
    return { result: { kind: 'stat_failed', errno, message }, transfer: [] };
  }
}
