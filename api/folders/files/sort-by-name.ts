import type { ListedEntry } from '../../../storage/volume.ts';

/** Entries by name, in byte order, as a sorted listing has them. */
export function sortByName(entries: readonly ListedEntry[]): ListedEntry[] {
  return entries.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}
