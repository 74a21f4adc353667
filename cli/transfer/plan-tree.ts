import { CliError, exitCodes } from '../exit-codes.ts';
import { ancestorsOf, type TreeEntry } from './tree-entry.ts';

/** What to do about a file that both trees have. */
export type FileVerdict = 'keep' | 'replace' | CliError;

/** A file or directory that the target lacks, or a file that it has otherwise. */
export interface PlannedEntry {
  readonly entry: TreeEntry;
  readonly isNew: boolean;
}

/** What makes a target like its source. */
export interface TreePlan {
  /** In the order of the walk: a new directory, then what is in it. */
  readonly entries: readonly PlannedEntry[];
  /** What cannot be done: something of another kind is in the way. */
  readonly conflicts: readonly { readonly path: string; readonly error: CliError }[];
  /** Paths of the source that are never transferred. */
  readonly skipped: readonly string[];
  /** Files that are to stay as they are. */
  readonly keptFiles: number;
  /** What the target alone has; a directory stands for all that is in it. */
  readonly extra: readonly TreeEntry[];
}

/** Files and directories of the source, and what to compare them with. */
export interface PlanRequest {
  readonly source: AsyncIterable<TreeEntry>;
  readonly target: ReadonlyMap<string, TreeEntry>;
  /** Asked for every file that is on both sides. */
  readonly judge: (source: TreeEntry, target: TreeEntry) => Promise<FileVerdict>;
}

function isBelow(path: string, prefix: string | undefined): boolean {
  return prefix !== undefined && path.startsWith(`${prefix}/`);
}

const words = { file: 'a file', directory: 'a directory', other: 'neither a file nor a directory' };

function inTheWay(source: TreeEntry, target: TreeEntry): CliError {
  return new CliError(
    exitCodes.conflict,
    `"${source.path}" is ${words[source.kind]} in the source and ${words[target.kind]} in the target: remove one of them first.`,
  );
}

async function verdictOf(entry: TreeEntry, { target, judge }: PlanRequest): Promise<FileVerdict | 'new'> {
  const found = target.get(entry.path);
  if (found === undefined) return 'new';
  if (found.kind !== entry.kind) return inTheWay(entry, found);
  return entry.kind === 'file' ? judge(entry, found) : 'keep';
}

/**
 * The part of the target that the source lacks. Nothing at or below a `held` path counts, and no directory that holds such a
 * one, or something that is neither file nor directory.
 */
function findExtra(
  target: ReadonlyMap<string, TreeEntry>,
  known: ReadonlySet<string>,
  held: ReadonlySet<string>,
): TreeEntry[] {
  const isHeld = (path: string): boolean =>
    held.has(path) || [...ancestorsOf(path)].some((above) => held.has(above));
  const kept = new Set<string>();
  for (const { path, kind } of target.values()) {
    if (kind !== 'other' && !isHeld(path)) continue;
    for (const above of ancestorsOf(path)) kept.add(above);
  }
  const extra: TreeEntry[] = [];
  let gone: string | undefined;
  for (const entry of target.values()) {
    const { path, kind } = entry;
    if (isBelow(path, gone) || known.has(path) || kind === 'other' || kept.has(path) || isHeld(path))
      continue;
    extra.push(entry);
    if (kind === 'directory') gone = path;
  }
  return extra;
}

/** Compares two trees. Nothing is changed. @throws what reading the source, or judging, throws */
export async function planTree(request: PlanRequest): Promise<TreePlan> {
  const entries: PlannedEntry[] = [];
  const conflicts: { path: string; error: CliError }[] = [];
  const skipped: string[] = [];
  const known = new Set<string>();
  const held = new Set<string>();
  let keptFiles = 0;
  let blocked: string | undefined;
  for await (const entry of request.source) {
    const { path, kind } = entry;
    known.add(path);
    if (kind === 'other') {
      skipped.push(path);
      held.add(path);
      continue;
    }
    if (isBelow(path, blocked)) continue;
    const verdict = await verdictOf(entry, request);
    if (verdict instanceof CliError) {
      conflicts.push({ path, error: verdict });
      held.add(path);
      blocked = path;
    } else if (verdict !== 'keep') entries.push({ entry, isNew: verdict === 'new' });
    else if (kind === 'file') keptFiles += 1;
  }
  return { entries, conflicts, skipped, keptFiles, extra: findExtra(request.target, known, held) };
}
