import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { VFolderClient } from '../../client/client.ts';
import type { Place } from '../../client/files.ts';
import { usualRetries } from '../../client/retry.ts';
import { formatPlace, joinPath, parseAddress } from '../address.ts';
import { CliError, exitCodes, usageError } from '../exit-codes.ts';
import type { Action, Invocation } from '../invocation.ts';
import { openListPrinter } from '../output.ts';
import { openSession } from '../session.ts';
import { printable } from '../terminal.ts';
import { copyBetween, stepsOf } from '../transfer/copy-between.ts';
import { deleteLocal, deleteRemote } from '../transfer/delete-extra.ts';
import { downloadTree, localTarget } from '../transfer/download-tree.ts';
import type { Journal } from '../transfer/journal.ts';
import { notePlanned, type TransferRun } from '../transfer/outcome.ts';
import { planTree, type TreePlan } from '../transfer/plan-tree.ts';
import { openJudge, type Side } from '../transfer/same-content.ts';
import {
  ancestorsOf,
  collectTree,
  type TreeEntry,
  walkLocalTree,
  walkRemoteTree,
} from '../transfer/tree-entry.ts';
import { uploadTree } from '../transfer/upload-tree.ts';
import { readTransferOptions, tellSkipped, withRun } from './transfer-run.ts';

/** Two trees, what makes the second like the first, and with what. */
interface Sync {
  readonly client: VFolderClient;
  readonly from: Side;
  readonly to: Side;
  readonly plan: TreePlan;
  readonly target: ReadonlyMap<string, TreeEntry>;
  readonly omitted: number;
  readonly isDeleting: boolean;
  readonly width: number;
}

function readSide(text: string): Side {
  const address = parseAddress(text);
  if (address.kind === 'stream') throw usageError('A directory is synchronised, not a stream.');
  if (address.kind === 'local') return { kind: 'local', root: address.path };
  return { kind: 'remote', place: { folder: address.folder, path: address.path } };
}

function nameOf(side: Side, path: string): string {
  if (side.kind === 'local') return localTarget(side.root, path);
  return formatPlace({ folder: side.place.folder, path: joinPath(side.place.path, path) });
}

/** @returns whether there is such a directory @throws CliError when something else is there */
async function isDirectory(client: VFolderClient, side: Side): Promise<boolean> {
  const isRoot = side.kind === 'remote' && side.place.path === '';
  if (isRoot) return true;
  const found =
    side.kind === 'remote'
      ? (await client.files.stat(side.place))?.type
      : await stat(side.root).then(
          (entry) => (entry.isDirectory() ? 'directory' : 'other'),
          () => undefined,
        );
  if (found === undefined) return false;
  if (found === 'directory') return true;
  throw usageError(`${nameOf(side, '')} is no directory; "vfolder cp" copies files.`);
}

/** A tree cannot be copied into itself, by whatever name its folder goes. @throws a usage error */
async function requireApart(client: VFolderClient, from: Place, to: Place): Promise<void> {
  const [one, other] = [await client.folders.show(from.folder), await client.folders.show(to.folder)];
  if (one.id !== other.id) return;
  const [a, b] = [`/${from.path}`, `/${to.path}`].map((path) => (path === '/' ? path : `${path}/`));
  if (a?.startsWith(b ?? '') === true || b?.startsWith(a ?? '') === true)
    throw usageError('One of the two lies in the other.');
}

/** What will be refused at the end is better refused at once. @throws CliError */
async function requireDeletion(client: VFolderClient, to: Side): Promise<void> {
  if (to.kind === 'local') return;
  const { name, permission } = await client.folders.show(to.place.folder);
  if (permission === 'rd') return;
  const detail = `Deleting in ${name} takes the permission rd, and yours is ${permission}.`;
  throw new CliError(exitCodes.forbidden, detail);
}

/** Directories that nothing is put into, and which have to be made by themselves. */
function bareDirectories({ entries }: TreePlan): string[] {
  const filled = new Set(entries.flatMap(({ entry }) => [...ancestorsOf(entry.path)]));
  return entries.flatMap(({ entry }) =>
    entry.kind === 'directory' && !filled.has(entry.path) ? [entry.path] : [],
  );
}

interface Begun {
  readonly run: TransferRun;
  readonly journal: Journal;
}

function filesOf({ entries }: TreePlan): TreeEntry[] {
  return entries.flatMap(({ entry }) => (entry.kind === 'file' ? [entry] : []));
}

async function upload(
  sync: Sync,
  begun: Begun,
  { root, place }: { root: string; place: Place },
): Promise<void> {
  const { client, plan, width } = sync;
  if (place.path !== '') {
    await client.files.makeDirectories(place.folder, [place.path], { parents: true, existOk: true });
  }
  const files = filesOf(plan).map(({ path, sizeBytes, mtimeMs }) => ({
    source: join(root, path),
    path,
    sizeBytes,
    mtimeMs,
  }));
  const tree = { files, emptyDirectories: bareDirectories(plan), skipped: [] };
  await uploadTree({ client, ...begun, folder: place.folder, base: place.path, width }, tree);
}

async function download(
  sync: Sync,
  begun: Begun,
  { root, place }: { root: string; place: Place },
): Promise<void> {
  const { client, plan, width } = sync;
  const files = filesOf(plan).map(({ path, sizeBytes, mtimeMs }) => ({
    folder: place.folder,
    path: joinPath(place.path, path),
    target: localTarget(root, path),
    sizeBytes,
    mtimeMs,
  }));
  const directories = [root, ...bareDirectories(plan).map((path) => localTarget(root, path))];
  await downloadTree({ client, ...begun, width }, { files, directories, skipped: [] });
}

async function transfer(sync: Sync, { run, journal }: Begun): Promise<void> {
  const { client, from, to, plan, width } = sync;
  // What an earlier run did was compared like everything else; only files that were begun go on where they were.
  const begun = { run, journal: { ...journal, isDone: () => false } };
  if (from.kind === 'local' && to.kind === 'remote') {
    return upload(sync, begun, { root: from.root, place: to.place });
  }
  if (from.kind === 'remote' && to.kind === 'local') {
    return download(sync, begun, { root: to.root, place: from.place });
  }
  if (from.kind !== 'remote' || to.kind !== 'remote') return;
  const steps = stepsOf(plan.entries, { from: from.place, to: to.place });
  await copyBetween({ client, run, journal, directories: [to.place], width, isTellingJobs: false }, steps);
}

/** Deletes what the source lacks, once everything else is done. @returns how many entries went */
async function deleteExtra({ client, to, plan, target }: Sync, run: TransferRun): Promise<number> {
  const { extra } = plan;
  if (extra.length === 0) return 0;
  if (run.fatal !== undefined || run.failures.length > 0) {
    run.meter.note('Nothing is deleted, for not everything could be transferred.');
    return 0;
  }
  if (to.kind === 'remote') return deleteRemote({ client, run }, to.place, extra);
  return deleteLocal(run, { root: to.root, target }, extra);
}

interface Deed {
  readonly action: 'copy' | 'replace' | 'make' | 'delete';
  readonly source?: string;
  readonly target: string;
  readonly bytes?: number;
}

function* deedsOf({ from, to, plan, isDeleting }: Sync): Generator<Deed> {
  for (const { entry, isNew } of plan.entries) {
    const target = nameOf(to, entry.path);
    if (entry.kind === 'directory') yield { action: 'make', target: `${target}/` };
    else {
      const action = isNew ? 'copy' : 'replace';
      yield { action, source: nameOf(from, entry.path), target, bytes: entry.sizeBytes };
    }
  }
  if (!isDeleting) return;
  for (const { path, kind } of plan.extra) {
    yield { action: 'delete', target: `${nameOf(to, path)}${kind === 'directory' ? '/' : ''}` };
  }
}

async function printDeeds(invocation: Invocation, sync: Sync): Promise<void> {
  const printer = openListPrinter<Deed>(invocation.terminal, invocation.form(), {
    line: ({ action, source, target }) =>
      printable(`${action} ${source === undefined ? target : `${source} -> ${target}`}`),
    name: ({ target }) => target,
  });
  for (const deed of deedsOf(sync)) await printer.add(deed);
  await printer.end();
}

async function plan(invocation: Invocation, client: VFolderClient, width: number): Promise<Sync> {
  const [from, to] = [readSide(invocation.arg(0)), readSide(invocation.arg(1))];
  if (from.kind === 'local' && to.kind === 'local') throw usageError('One of the two has to be in a folder.');
  if (from.kind === 'remote' && to.kind === 'remote') await requireApart(client, from.place, to.place);
  if (!(await isDirectory(client, from)))
    throw new CliError(exitCodes.notFound, `${nameOf(from, '')} is not there.`);
  await isDirectory(client, to);
  const isDeleting = invocation.flag('delete');
  if (isDeleting) await requireDeletion(client, to);
  let omitted = 0;
  const { signal } = invocation.terminal;
  const onOmitted = (entries: number): void => {
    omitted += entries;
  };
  const walk = (side: Side): AsyncIterable<TreeEntry> =>
    side.kind === 'local'
      ? walkLocalTree(side.root)
      : walkRemoteTree(client, side.place, { signal, onOmitted, digests: true });
  const target = await collectTree(walk(to));
  const isByContent = invocation.flag('checksum');
  const judge = openJudge({ client, from, to, signal, isByContent });
  const planned = await planTree({ source: walk(from), target, judge });
  return {
    client,
    from,
    to,
    plan: planned,
    target,
    omitted,
    isDeleting,
    width,
  };
}

/** What makes a run the same as an interrupted one. */
function identityOf(side: Side): string {
  return side.kind === 'local' ? resolve(side.root) : formatPlace(side.place);
}

/** Makes a directory like another one, of which one at least is in a folder. */
export const synchronise: Action = async (invocation) => {
  const options = readTransferOptions(invocation);
  const session = await openSession(invocation, { retries: usualRetries });
  const sync = await plan(invocation, session.client, options.width);
  const { from, to, omitted } = sync;
  const { conflicts, skipped, keptFiles, entries, extra } = sync.plan;
  tellSkipped(
    invocation,
    skipped.map((path) => nameOf(from, path)),
  );
  if (options.isDryRun) {
    for (const { error } of conflicts) invocation.terminal.stderr.write(`${printable(error.message)}\n`);
    return printDeeds(invocation, sync);
  }
  let deleted = 0;
  const counts = () => ({ unchanged: keptFiles, ...(sync.isDeleting ? { deleted } : {}) });
  const identity = ['sync', identityOf(from), identityOf(to)];
  const total = entries.length + keptFiles + conflicts.length + (sync.isDeleting ? extra.length : 0);
  await withRun(
    { invocation, session, title: 'Synchronising', options, identity, counts },
    total,
    async ({ run, journal }) => {
      const named = conflicts.map(({ path, error }) => ({ path: nameOf(from, path), error }));
      notePlanned(run, { conflicts: named, omitted });
      await transfer(sync, { run, journal });
      if (sync.isDeleting) deleted = await deleteExtra(sync, run);
    },
  );
};
