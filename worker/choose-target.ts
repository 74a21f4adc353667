import { type EntryPath, entryPathBelow, parseEntryPath } from '../domain/entry-path.ts';
import type { Volume } from '../storage/volume.ts';

/** Where an entry goes, as payloads say it: `into` puts it below `to` when that is a directory. */
export interface Destination {
  readonly from: string;
  readonly to: string;
  readonly into: boolean;
}

/** The path an entry gets, as the tree is now. @throws path_invalid when that is too deep or too long */
export async function chooseTarget(
  volume: Volume,
  folderId: string,
  { from, to, into }: Destination,
): Promise<EntryPath> {
  const target = parseEntryPath(to, 'read');
  if (!into) return target;
  const isBelow = target.length === 0 || (await volume.stat(folderId, target))?.kind === 'directory';
  return isBelow ? entryPathBelow(target, parseEntryPath(from, 'read')) : target;
}
