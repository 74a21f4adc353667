import { type EntryPath, parseEntryPath } from '../domain/entry-path.ts';
import type { ReadableVolume, SkippedEntry } from './volume.ts';

/** @throws path_invalid when both together are too deep or too long */
function joined(base: EntryPath, path: EntryPath): EntryPath {
  return base.length === 0 ? path : parseEntryPath([...base, ...path].join('/'), 'read');
}

/** Paths of skipped entries are texts, in which names that are not UTF-8 have been replaced; a base never has such. */
function cut(base: EntryPath, entry: SkippedEntry): SkippedEntry {
  const prefix = `${base.join('/')}/`;
  return entry.path.startsWith(prefix) ? { ...entry, path: entry.path.slice(prefix.length) } : entry;
}

/**
 * What of a volume can be read, as it is seen from `base`, a file or directory of a folder: every path that goes in begins
 * there, and so does every path that comes out. Nothing beside `base` can be named.
 */
export function volumeBelow(volume: ReadableVolume, base: EntryPath): ReadableVolume {
  if (base.length === 0) return volume;
  return {
    packer: volume.packer,
    stat: (folderId, path) => volume.stat(folderId, joined(base, path)),
    list: (folderId, path, options) => volume.list(folderId, joined(base, path), options),
    listSorted: (folderId, path, options) => volume.listSorted(folderId, joined(base, path), options),
    open: (folderId, path) => volume.open(folderId, joined(base, path)),
    walk: async function* (folderId, path, { onSkip, ...options }) {
      const hooks = onSkip === undefined ? {} : { onSkip: (entry: SkippedEntry) => onSkip(cut(base, entry)) };
      for await (const entry of volume.walk(folderId, joined(base, path), { ...options, ...hooks })) {
        yield { ...entry, path: entry.path.slice(base.length) };
      }
    },
  };
}
