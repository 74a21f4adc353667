import type { VFolderClient } from '../../client/client.ts';
import type { Place } from '../../client/files.ts';
import { usualRetries } from '../../client/retry.ts';
import { type Address, baseName, formatPlace, joinPath } from '../address.ts';
import { CliError, exitCodes, usageError } from '../exit-codes.ts';
import type { Invocation } from '../invocation.ts';
import { openListPrinter } from '../output.ts';
import { openSession } from '../session.ts';
import { printable, writeOut } from '../terminal.ts';
import { type BetweenStep, copyBetween, stepsOf } from '../transfer/copy-between.ts';
import { type ConflictChoice, notePlanned } from '../transfer/outcome.ts';
import { type FileVerdict, planTree, type TreePlan } from '../transfer/plan-tree.ts';
import { collectTree, type TreeEntry, walkRemoteTree } from '../transfer/tree-entry.ts';
import { isInto } from './destination.ts';
import { readTransferOptions, tellSkipped, withRun } from './transfer-run.ts';

type Remote = Extract<Address, { kind: 'remote' }>;

/** What is to be copied, from every source. */
interface Growing {
  readonly steps: BetweenStep[];
  readonly directories: Place[];
  readonly conflicts: { readonly path: string; readonly error: CliError }[];
  readonly skipped: string[];
  keptFiles: number;
  omitted: number;
}

interface Planning {
  readonly client: VFolderClient;
  readonly signal: AbortSignal;
  readonly onConflict: ConflictChoice;
  readonly isRecursive: boolean;
  readonly all: Growing;
}

function verdictOf(onConflict: ConflictChoice, target: Place): FileVerdict {
  if (onConflict === 'skip') return 'keep';
  if (onConflict === 'overwrite') return 'replace';
  return new CliError(exitCodes.conflict, `${formatPlace(target)} is there already.`);
}

function addPlan(
  { all }: Planning,
  plan: TreePlan,
  places: { readonly from: Place; readonly to: Place },
): void {
  const nameOf = (path: string): string =>
    formatPlace({ folder: places.from.folder, path: joinPath(places.from.path, path) });
  all.steps.push(...stepsOf(plan.entries, places));
  all.conflicts.push(...plan.conflicts.map(({ path, error }) => ({ path: nameOf(path), error })));
  all.skipped.push(...plan.skipped.map(nameOf));
  all.keptFiles += plan.keptFiles;
}

/** A directory goes into one that is there, or is copied whole. */
async function addDirectory(planning: Planning, from: Place, to: Place): Promise<void> {
  const { client, signal, onConflict, all } = planning;
  const onOmitted = (entries: number): void => {
    all.omitted += entries;
  };
  const found = to.path === '' ? 'directory' : (await client.files.stat(to))?.type;
  if (found !== undefined && found !== 'directory') {
    const error = new CliError(exitCodes.conflict, `${formatPlace(to)} is no directory.`);
    all.conflicts.push({ path: formatPlace(from), error });
    return;
  }
  const walk = (place: Place) => walkRemoteTree(client, place, { signal, onOmitted });
  const target = found === undefined ? new Map() : await collectTree(walk(to));
  const judge = async ({ path }: TreeEntry): Promise<FileVerdict> =>
    verdictOf(onConflict, { folder: to.folder, path: joinPath(to.path, path) });
  const plan = await planTree({ source: walk(from), target, judge });
  // The root of a folder is no entry: what is in it is copied.
  const isWhole = found === undefined && from.path !== '';
  if (!isWhole) {
    all.directories.push(to);
    return addPlan(planning, plan, { from, to });
  }
  const files = plan.entries.flatMap(({ entry }) => (entry.kind === 'file' ? [entry.sizeBytes] : []));
  const bytes = files.reduce((sum, size) => sum + size, 0);
  all.directories.push(parentOf(to));
  addPlan(planning, { ...plan, entries: [] }, { from, to });
  all.steps.push({ source: from, target: to, isNew: true, bytes, files: files.length });
}

function parentOf({ folder, path }: Place): Place {
  return { folder, path: path.slice(0, Math.max(0, path.lastIndexOf('/'))) };
}

async function addFile(planning: Planning, source: Place & { readonly bytes: number }, target: Place) {
  const { client, onConflict, all } = planning;
  const { bytes, folder, path } = source;
  const found = await client.files.stat(target);
  const kindError = new CliError(exitCodes.conflict, `${formatPlace(target)} is no file.`);
  const present = found?.type === 'file' ? verdictOf(onConflict, target) : kindError;
  const verdict = found === undefined ? 'new' : present;
  if (verdict instanceof CliError) all.conflicts.push({ path: formatPlace(source), error: verdict });
  else if (verdict === 'keep') all.keptFiles += 1;
  else {
    if (verdict === 'new') all.directories.push(parentOf(target));
    all.steps.push({ source: { folder, path }, target, isNew: verdict === 'new', bytes, files: 1 });
  }
}

async function addSource(planning: Planning, source: Remote, into: Place | undefined, exact: Place) {
  const found = await planning.client.files.stat(source);
  if (found === undefined) throw new CliError(exitCodes.notFound, `${formatPlace(source)} is not there.`);
  if (found.type !== 'file' && found.type !== 'directory')
    throw new CliError(exitCodes.conflict, `${formatPlace(source)} is no regular file.`);
  const name = source.path === '' ? source.folder : baseName(source.path);
  const target =
    into === undefined || source.isContent ? exact : { folder: into.folder, path: joinPath(into.path, name) };
  if (found.type === 'file') return addFile(planning, { ...source, bytes: found.size ?? 0 }, target);
  if (!planning.isRecursive) throw usageError(`${formatPlace(source)} is a directory: give -r.`);
  return addDirectory(planning, { folder: source.folder, path: source.path }, target);
}

/** Says what would be done, a line or an item for each step. */
export async function printSteps(invocation: Invocation, steps: readonly BetweenStep[]): Promise<void> {
  const printer = openListPrinter<BetweenStep>(invocation.terminal, invocation.form(), {
    line: ({ source, target, isNew }) =>
      `${isNew ? 'copy' : 'replace'} ${printable(formatPlace(source))} -> ${printable(formatPlace(target))}`,
    name: ({ target }) => formatPlace(target),
    json: ({ source, target, isNew, bytes, files }) => ({
      action: isNew ? 'copy' : 'replace',
      source: formatPlace(source),
      target: formatPlace(target),
      bytes,
      files,
    }),
  });
  for (const step of steps) await printer.add(step);
  await printer.end();
}

async function detach(invocation: Invocation, client: VFolderClient, all: Growing): Promise<void> {
  if (all.conflicts[0] !== undefined) throw all.conflicts[0].error;
  if (all.steps.some(({ isNew }) => !isNew))
    throw usageError('What replaces files is sent from here, and cannot be left: drop --detach.');
  for (const { folder, path } of all.directories) {
    if (path !== '') await client.files.makeDirectories(folder, [path], { parents: true, existOk: true });
  }
  for (const { source, target } of all.steps) {
    const from = { folder: source.folder, waitSeconds: 0 };
    const { jobId } = await client.files.copy(target.folder, source.path, target.path, from);
    await writeOut(invocation.terminal, `${jobId ?? ''}\n`);
  }
}

/** Copies between folders: what the destination lacks on the service, what is to be replaced through this machine. */
export async function copyBetweenFolders(
  invocation: Invocation,
  sources: readonly Remote[],
  destination: Remote,
): Promise<void> {
  const options = readTransferOptions(invocation);
  const session = await openSession(invocation, { retries: usualRetries });
  const { client } = session;
  const all: Growing = { steps: [], directories: [], conflicts: [], skipped: [], keptFiles: 0, omitted: 0 };
  const { signal } = invocation.terminal;
  const { isRecursive, onConflict, width } = options;
  const exact = { folder: destination.folder, path: destination.path };
  const into = (await isInto(client, destination, sources.length)) ? exact : undefined;
  const planning = { client, signal, onConflict, isRecursive, all };
  for (const source of sources) await addSource(planning, source, into, exact);
  tellSkipped(invocation, all.skipped);
  if (options.isDryRun) return printSteps(invocation, all.steps);
  if (invocation.flag('detach')) return detach(invocation, client, all);
  const { steps, directories, conflicts, keptFiles, omitted } = all;
  const identity = ['cp', ...sources.map(formatPlace), formatPlace(destination)];
  const total = steps.length + conflicts.length + keptFiles + omitted;
  await withRun({ invocation, session, title: 'Copying', options, identity }, total, ({ run, journal }) => {
    notePlanned(run, { conflicts, omitted });
    // Many jobs are followed here; one may as well be followed from elsewhere.
    const isTellingJobs = steps.length === 1 && !invocation.flag('quiet');
    return copyBetween({ client, run, journal, directories, width, isTellingJobs }, steps);
  });
}
