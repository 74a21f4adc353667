import { join } from 'node:path';
import type { VFolderClient } from '../../client/client.ts';
import { ConnectionError } from '../../client/errors.ts';
import type { Place } from '../../client/files.ts';
import { joinPath } from '../address.ts';
import { CliError, exitCodeOf } from '../exit-codes.ts';
import { sumLocal, sumRemote } from './content-sum.ts';
import type { FileVerdict } from './plan-tree.ts';
import type { TreeEntry } from './tree-entry.ts';

/** A tree that is compared. */
export type Side =
  | { readonly kind: 'local'; readonly root: string }
  | { readonly kind: 'remote'; readonly place: Place };

/** Times go through forms of a millisecond. */
const sameTimeMs = 2;

/** How to compare files. With `isByContent` only size and CRC-32 count, whatever has to be read for that. */
export interface JudgeOptions {
  readonly client: VFolderClient;
  readonly from: Side;
  readonly to: Side;
  readonly signal: AbortSignal;
  readonly isByContent: boolean;
}

/** @returns `undefined` for a file of the service whose sum it does not know, unless all may be read */
async function sumOf(options: JudgeOptions, side: Side, entry: TreeEntry): Promise<string | undefined> {
  const { client, signal, isByContent } = options;
  if (side.kind === 'local') return sumLocal(join(side.root, entry.path), signal);
  if (entry.crc32 !== undefined || !isByContent) return entry.crc32;
  const { folder, path } = side.place;
  return sumRemote(client, { folder, path: joinPath(path, entry.path) }, signal);
}

/** What the times of two files of one size say; `undefined` when they say nothing. */
function timesTell(source: TreeEntry, target: TreeEntry): boolean | undefined {
  const youngerMs = source.mtimeMs - target.mtimeMs;
  if (Math.abs(youngerMs) < sameTimeMs) return true;
  return youngerMs > 0 ? false : undefined;
}

/** The side that may know its sum without reading is asked first. */
async function sumsAgree(options: JudgeOptions, source: TreeEntry, target: TreeEntry): Promise<boolean> {
  const { from, to } = options;
  const sides: readonly (readonly [Side, TreeEntry])[] = [
    [from, source],
    [to, target],
  ];
  const [first, second] = from.kind === 'local' ? sides.toReversed() : sides;
  if (first === undefined || second === undefined) return false;
  const sum = await sumOf(options, ...first);
  return sum !== undefined && sum === (await sumOf(options, ...second));
}

/**
 * Decides about a file that both sides have: another size is another file, and so is one that changed after its copy; the same
 * time means the same content. A copy that is younger, which every upload is, is compared by CRC-32 where the service knows that,
 * and else replaced.
 */
export function openJudge(
  options: JudgeOptions,
): (source: TreeEntry, target: TreeEntry) => Promise<FileVerdict> {
  return async (source, target) => {
    if (source.sizeBytes !== target.sizeBytes) return 'replace';
    const told = options.isByContent ? undefined : timesTell(source, target);
    try {
      return (told ?? (await sumsAgree(options, source, target))) ? 'keep' : 'replace';
    } catch (error) {
      return unreadable(options, source.path, error);
    }
  };
}

/** One file that cannot be read, or is gone, keeps nobody from the others. @throws what concerns all of them */
function unreadable({ signal }: JudgeOptions, path: string, error: unknown): CliError {
  if (signal.aborted || error instanceof ConnectionError) throw error;
  const reason = error instanceof Error ? error.message : String(error);
  return new CliError(exitCodeOf(error), `"${path}" could not be compared: ${reason}`, { cause: error });
}
