import { z } from 'zod';
import { formatEntryPath } from '../../../domain/entry-path.ts';
import { entityTag } from '../../../domain/write-condition.ts';
import type { EntryStat, ListedEntry, ListPage } from '../../../storage/volume.ts';
import { sortOrders } from '../../../storage/volume.ts';
import { namedPath, queryBoolean, queryInteger } from '../../http/schema.ts';
import { count, instant } from '../../http/wire.ts';
import { formatFileMode } from './file-mode.ts';
import { directoriesMax, listLimitMax, type StatedEntry } from './operations.ts';

/** Input of `GET /folders/:name/files`. */
export const listFilesInput = z.object({
  path: z.string().default(''),
  cursor: z.string().optional(),
  limit: queryInteger({ min: 1, max: listLimitMax }).default(listLimitMax),
  sort: z.enum(sortOrders).optional(),
  /** Everything below, as NDJSON; `cursor`, `limit` and `sort` mean nothing then. */
  recursive: queryBoolean.default(false),
  /** With `recursive`: the CRC-32 of each file, where it is known. */
  digests: queryBoolean.default(false),
});

/** Input of `POST /folders/:name/mkdir`. */
export const makeDirectoryInput = z.object({
  path: z.union([namedPath, z.array(namedPath).min(1).max(directoriesMax)]),
  parents: queryBoolean.default(true),
  exist_ok: queryBoolean.default(true),
});

/** An entry of a listing. */
export const listedEntry = z
  .object({
    name: z.string(),
    type: z.enum(['file', 'directory', 'symlink', 'other']),
    size: count,
    mode: z.string(),
    created: instant,
    modified: instant,
    is_addressable: z.boolean(),
  })
  .meta({ id: 'Entry' });

/** Reply of `GET /folders/:name/files`. */
export const listingBody = z.object({
  files: z.string().meta({ contentMediaType: 'application/json' }),
  items: z.array(listedEntry),
  next_cursor: z.string().nullable(),
});

/** Input of `GET /folders/:name/stat`. */
export const statInput = z.object({ path: z.string().default('') });

/** Reply of `GET /folders/:name/stat`. */
export const statBody = z.object({
  path: z.string(),
  ...listedEntry.omit({ name: true, is_addressable: true }).shape,
  etag: z.string().nullable(),
});

const madeDirectory = z.object({ item: z.string(), msg: z.string().nullable() });

/** Reply of `POST /folders/:name/mkdir`: how each path went; `msg` says why not. */
export const madeBody = z.object({
  results: z.object({ success: z.array(madeDirectory), failed: z.array(madeDirectory) }),
});

/** The documented form; times are float seconds since 1970. */
function presentDocumented(entry: ListedEntry) {
  return {
    filename: entry.name,
    mode: formatFileMode(entry.mode),
    size: entry.sizeBytes,
    mtime: entry.mtime,
    ctime: entry.ctime,
    atime: entry.atime,
  };
}

// A program in a container may set any time; ISO ends where a Date does.
const dateMsMax = 8.64e15;

function toIso(seconds: number): string {
  const milliseconds = Math.trunc(seconds * 1000);
  return new Date(Math.max(-dateMsMax, Math.min(milliseconds, dateMsMax))).toISOString();
}

/** An entry of a listing, with its times as a Date can have them. */
export function presentEntry(entry: ListedEntry): z.infer<typeof listedEntry> {
  return {
    name: entry.name,
    type: entry.kind,
    size: entry.sizeBytes,
    mode: formatFileMode(entry.mode),
    created: toIso(entry.ctime),
    modified: toIso(entry.mtime),
    is_addressable: entry.isAddressable,
  };
}

/** One line of a recursive listing, but for its path. */
export function presentWalked(stat: EntryStat) {
  return {
    type: stat.kind,
    size: stat.sizeBytes,
    mode: formatFileMode(stat.mode),
    created: toIso(stat.ctime),
    modified: toIso(stat.mtime),
  };
}

/** Reply of `GET /folders/:name/stat`; the ETag is that of a file's content. */
export function presentStat({ path, stat }: StatedEntry): z.infer<typeof statBody> {
  return {
    path: formatEntryPath(path),
    ...presentWalked(stat),
    etag: stat.kind === 'file' ? entityTag(stat.version) : null,
  };
}

/** Reply of `GET /folders/:name/files`: the entries twice, as the documented JSON text and as plain JSON. */
export function presentListing({ entries, nextCursor }: ListPage) {
  return {
    files: JSON.stringify(entries.map(presentDocumented)),
    items: entries.map(presentEntry),
    next_cursor: nextCursor,
  };
}
