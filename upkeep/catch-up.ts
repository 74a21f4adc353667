import type { Executor } from '../db/client.ts';
import { listMovesSince, type NotedMove } from '../db/queries/moves.ts';
import { type EntryPath, parseEntryPath, pathDepthMax, splitEntryPath } from '../domain/entry-path.ts';
import { isDomainError } from '../domain/errors.ts';
import type { SkippedEntry, TreeUsage, Volume, WalkedEntry } from '../storage/volume.ts';

/** Rounds after the first copy. An entry has to move or change in each of them, just before it is looked at, to escape all. */
const roundsMax = 20;

/** A copy of a folder that others change, once every entry was walked past. */
export interface FirstCopy {
  readonly db: Executor;
  readonly folderId: string;
  readonly from: Volume;
  readonly to: Volume;
  /** The database's time before anything was looked at. */
  readonly since: string;
  readonly usage: TreeUsage;
  /** What the copy left out. */
  readonly skipped: readonly SkippedEntry[];
}

/** The copy with what it had missed. */
export interface WholeCopy {
  readonly usage: TreeUsage;
  /** What is still left out. */
  readonly skipped: readonly SkippedEntry[];
  /** What the first copy met and nobody finds any more. */
  readonly gone: readonly SkippedEntry[];
}

/** Left out because the entry was deleted, replaced or moved just then, not because of what it is; and a path that can be asked for. */
function isPassing({ path, reason }: SkippedEntry): boolean {
  return (reason === 'vanished' || reason === 'changed') && path.split('/').length <= pathDepthMax;
}

function isWithin(path: string, above: string): boolean {
  return path === above || path.startsWith(`${above}/`);
}

/** Whether entries below one of `paths` may be gone from there because of the move. */
function concerns({ from }: NotedMove, paths: ReadonlySet<string>): boolean {
  return [...paths].some((path) => isWithin(path, from) || isWithin(from, path));
}

/** Those that are there, and not in the copy. */
async function listMissing(
  { folderId, from, to }: FirstCopy,
  passing: readonly SkippedEntry[],
): Promise<SkippedEntry[]> {
  const missing: SkippedEntry[] = [];
  for (const entry of passing) {
    const path = parseEntryPath(entry.path, 'read');
    if ((await from.stat(folderId, path)) === null) continue;
    if ((await to.stat(folderId, path)) === null) missing.push(entry);
  }
  return missing;
}

/** Makes the directories that shall hold `path`. @returns whether there is anything to be put there */
async function prepare({ folderId, from, to }: FirstCopy, path: EntryPath): Promise<boolean> {
  if ((await from.stat(folderId, path)) === null) return false;
  const { parent } = splitEntryPath(path);
  if (parent.length > 0) await to.makeDirectory(folderId, parent, { parents: true, existOk: true });
  return true;
}

async function* walkAll(
  copy: FirstCopy,
  paths: ReadonlySet<string>,
  onSkip: (entry: SkippedEntry) => void,
): AsyncGenerator<WalkedEntry> {
  for (const path of paths) {
    const start = parseEntryPath(path, 'read');
    try {
      if (await prepare(copy, start)) yield* copy.from.walk(copy.folderId, start, { onSkip });
    } catch (error) {
      if (isDomainError(error, 'entry_conflict')) onSkip({ path, reason: 'changed' });
      else if (!isDomainError(error, 'entry_not_found')) throw error;
    }
  }
}

/**
 * Copies what a walk has missed because it was moved to where the walk had been already, or replaced in the moment that it was
 * read. Whatever was in the folder all the time is in the copy then, at its old place, its new one, or both.
 */
export async function catchUp(copy: FirstCopy): Promise<WholeCopy> {
  const { db, folderId, to } = copy;
  const lasting = copy.skipped.filter((entry) => !isPassing(entry));
  let { usage, since } = copy;
  let noted = await listMovesSince(db, { folderId, since });
  let passing = copy.skipped.filter(isPassing);
  let missing = await listMissing(copy, passing);
  const gone = passing.filter((entry) => !missing.includes(entry));
  let { moves } = noted;
  for (let round = 0; ; round += 1) {
    const paths = new Set([...moves.map((move) => move.to), ...missing.map(({ path }) => path)]);
    if (paths.size === 0) return { usage, skipped: lasting, gone };
    if (round === roundsMax) {
      const left = [...paths].map((path) => ({ path, reason: 'changed' }));
      return { usage, skipped: [...lasting, ...left], gone };
    }
    const skipped: SkippedEntry[] = [];
    const onSkip = (entry: SkippedEntry) => skipped.push(entry);
    const admit = async () => undefined;
    usage = await to.copyTree(folderId, { area: 'data' }, walkAll(copy, paths, onSkip), { admit, onSkip });
    const known = new Set(lasting.map(({ path }) => path));
    lasting.push(...skipped.filter((entry) => !isPassing(entry) && !known.has(entry.path)));
    passing = skipped.filter(isPassing);
    missing = await listMissing(copy, passing);
    since = noted.asOf;
    noted = await listMovesSince(db, { folderId, since });
    // Whoever was nowhere looked at in this round was copied before, unless it was to be.
    moves = noted.moves.filter((move) => concerns(move, paths));
  }
}
