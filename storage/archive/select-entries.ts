import { type EntryPath, formatEntryPath, isWithin } from '../../domain/entry-path.ts';
import { domainError } from '../../domain/errors.ts';
import type { EntryStat, ReadableVolume } from '../volume.ts';

/** An entry somebody asked for by path; its kind is `file` or `directory`. */
export interface SelectedEntry {
  readonly path: EntryPath;
  readonly stat: EntryStat;
}

/** Drops every path that repeats another one or lies inside one, so that nothing is archived twice. Keeps the order. */
export function withoutNested(paths: readonly EntryPath[]): EntryPath[] {
  return paths.filter((path, index) =>
    paths.every((other, at) => {
      if (at === index || !isWithin(other, path)) return true;
      return other.length === path.length && at > index;
    }),
  );
}

/**
 * Looks at every path, so that a request is refused before its first byte is sent.
 * @throws entry_not_found when any of them is missing; entry_not_regular when one is neither a file nor a directory
 */
export async function selectEntries(
  volume: ReadableVolume,
  folderId: string,
  paths: readonly EntryPath[],
): Promise<SelectedEntry[]> {
  const selected: SelectedEntry[] = [];
  for (const path of paths) {
    const stat = await volume.stat(folderId, path);
    const shown = formatEntryPath(path);
    if (stat === null) throw domainError('entry_not_found', `There is no entry "${shown}" in this folder.`);
    if (stat.kind !== 'file' && stat.kind !== 'directory') {
      throw domainError('entry_not_regular', `"${shown}" is neither a regular file nor a directory.`);
    }
    selected.push({ path, stat });
  }
  return selected;
}

/** Entries and bytes that archiving `paths` will meet, by a walk of its own; an estimate, since the tree may change. */
export async function measureSelection(
  volume: ReadableVolume,
  folderId: string,
  { paths, signal }: { readonly paths: readonly EntryPath[]; readonly signal: AbortSignal },
): Promise<{ entries: number; bytes: number }> {
  const total = { entries: 0, bytes: 0 };
  for (const path of paths) {
    for await (const { path: inner, stat } of volume.walk(folderId, path, { signal })) {
      if (inner.length === 0) continue;
      total.entries += 1;
      if (stat.kind === 'file') total.bytes += stat.sizeBytes;
    }
  }
  return total;
}
