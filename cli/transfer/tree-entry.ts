import type { Dirent, Stats } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { VFolderClient } from '../../client/client.ts';
import { isProblem } from '../../client/errors.ts';
import type { Place } from '../../client/files.ts';
import { isSafePath } from './download-tree.ts';

/** Something in a tree, on this machine or in a folder; `path` is from the root of the tree. */
export interface TreeEntry {
  readonly path: string;
  /** `other` is what is never transferred: links, devices, names that are no text, what could not be read. */
  readonly kind: 'file' | 'directory' | 'other';
  readonly sizeBytes: number;
  readonly mtimeMs: number;
  /** CRC-32 in hex, where it is known without reading. */
  readonly crc32: string | undefined;
}

/** What a download in progress is called until it is whole. */
const partName = /^\.vfolder-[0-9a-f]{16}\.part$/;
/** Stands for bytes that are no text. */
const replacement = '\ufffd';

async function namesOf(directory: string): Promise<Dirent[]> {
  const entries: Dirent[] = [];
  for await (const entry of await opendir(directory)) if (!partName.test(entry.name)) entries.push(entry);
  return entries.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

function kindOf({ name }: Dirent, found: Stats | undefined): TreeEntry['kind'] {
  if (found === undefined || name.includes(replacement)) return 'other';
  if (found.isDirectory()) return 'directory';
  return found.isFile() ? 'file' : 'other';
}

/**
 * A directory of this machine with everything below it, each directory before what is in it; links are named, never followed.
 * @throws what the system says of a directory that cannot be read
 */
export async function* walkLocalTree(root: string, below = ''): AsyncGenerator<TreeEntry> {
  for (const entry of await namesOf(join(root, below))) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    // What vanished since it was listed is told as something that cannot be transferred.
    const found = await lstat(join(root, path)).catch(() => undefined);
    const kind = kindOf(entry, found);
    const sizeBytes = kind === 'file' ? (found?.size ?? 0) : 0;
    yield { path, kind, sizeBytes, mtimeMs: found?.mtimeMs ?? 0, crc32: undefined };
    if (kind === 'directory') yield* walkLocalTree(root, path);
  }
}

/**
 * As {@link walkLocalTree} for a directory of a folder, with the CRC-32 that the service knows when `digests` asks for it. Entries
 * that it could not even name are counted by `onOmitted`. @throws ProblemError, ConnectionError
 */
export async function* walkRemoteTree(
  client: VFolderClient,
  place: Place,
  options: {
    readonly signal: AbortSignal;
    readonly digests?: boolean;
    readonly onOmitted: (entries: number) => void;
  },
): AsyncGenerator<TreeEntry> {
  const prefix = place.path === '' ? 0 : place.path.length + 1;
  for await (const entry of client.files.walk(place, options)) {
    const path = entry.path.slice(prefix);
    const { type, reason, size: sizeBytes, crc32 } = entry;
    const isUsable = reason === undefined && isSafePath(path);
    const kind = isUsable && (type === 'file' || type === 'directory') ? type : 'other';
    yield { path, kind, sizeBytes, mtimeMs: Date.parse(entry.modified), crc32: crc32 ?? undefined };
  }
}

/** All of a tree by path; empty when there is none. */
export async function collectTree(entries: AsyncIterable<TreeEntry>): Promise<Map<string, TreeEntry>> {
  const found = new Map<string, TreeEntry>();
  try {
    for await (const entry of entries) found.set(entry.path, entry);
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (found.size > 0 || !(isMissing || isProblem(error, 'entry_not_found'))) throw error;
  }
  return found;
}

/** The directories that a path is in, innermost first. */
export function* ancestorsOf(path: string): Generator<string> {
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) yield path.slice(0, at);
}
