import type { StoredName } from '../volume.ts';
import type { Directory } from './directory.ts';
import { byteNames, statSync } from './directory-sync.ts';
import { isId } from './layout.ts';
import { createTimeSlice } from './time-slice.ts';

/** The entries of one of our directories that bear an id, with their age; whatever else lies there is left out. */
export async function listStoredNames(directory: Directory): Promise<StoredName[]> {
  const slice = createTimeSlice();
  const found: StoredName[] = [];
  for (const name of byteNames(directory)) {
    if (slice.isOver()) await slice.rest();
    if (!isId(name)) continue;
    const stat = statSync(directory, name);
    if (stat !== null) found.push({ id: name, modifiedAt: stat.mtime });
  }
  return found;
}
