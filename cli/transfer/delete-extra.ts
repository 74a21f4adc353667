import { realpath, rmdir, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { VFolderClient } from '../../client/client.ts';
import type { Place } from '../../client/files.ts';
import { formatPlace, joinPath } from '../address.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { noteFailure, type TransferRun } from './outcome.ts';
import type { TreeEntry } from './tree-entry.ts';

/** Deletes entries below a place of a folder, directories with all that is in them. @returns how many of them went */
export async function deleteRemote(
  { client, run }: { readonly client: VFolderClient; readonly run: TransferRun },
  place: Place,
  extra: readonly TreeEntry[],
): Promise<number> {
  const paths = extra.map(({ path }) => joinPath(place.path, path));
  if (paths.length === 0) return 0;
  const { deleted, failed } = await client.files.remove(place.folder, paths, { recursive: true });
  // What somebody else deleted meanwhile is gone as wanted.
  for (const { path, reason } of failed.filter((entry) => entry.reason !== 'not found')) {
    noteFailure(run, formatPlace({ folder: place.folder, path }), new CliError(exitCodes.conflict, reason));
  }
  return deleted.length;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** A directory above may have become a link since it was listed. @throws CliError */
async function requireInside(root: string, path: string): Promise<void> {
  const directory = dirname(join(root, path));
  const [base, real] = [await realpath(root), await realpath(directory)];
  if (real === join(base, dirname(path))) return;
  throw new CliError(exitCodes.conflict, 'is reached through a link now, and is left.');
}

async function deleteOne(root: string, { path, kind }: TreeEntry): Promise<boolean> {
  try {
    await requireInside(root, path);
    await (kind === 'directory' ? rmdir(join(root, path)) : unlink(join(root, path)));
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** `extra` with what lies in its directories, in the order of the walk. */
function withContent(target: ReadonlyMap<string, TreeEntry>, extra: readonly TreeEntry[]): TreeEntry[] {
  const tops = new Set(extra.map(({ path }) => path));
  const all: TreeEntry[] = [];
  let top = '';
  for (const entry of target.values()) {
    if (tops.has(entry.path)) top = entry.path;
    else if (!entry.path.startsWith(`${top}/`)) continue;
    all.push(entry);
  }
  return all;
}

/**
 * Deletes entries below a directory of this machine, of a directory only what `target` lists in it.
 * @returns how many entries of `extra` went
 */
export async function deleteLocal(
  run: TransferRun,
  { root, target }: { readonly root: string; readonly target: ReadonlyMap<string, TreeEntry> },
  extra: readonly TreeEntry[],
): Promise<number> {
  const tops = new Set(extra);
  let deleted = 0;
  // Behind a directory comes what is in it.
  for (const entry of withContent(target, extra).toReversed()) {
    run.signal.throwIfAborted();
    try {
      const isGone = await deleteOne(root, entry);
      if (isGone && tops.has(entry)) deleted += 1;
    } catch (error) {
      noteFailure(run, join(root, entry.path), error);
    }
  }
  return deleted;
}
