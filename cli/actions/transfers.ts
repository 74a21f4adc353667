import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { VFolderClient } from '../../client/client.ts';
import type { EntryStat, Place } from '../../client/files.ts';
import { usualRetries } from '../../client/retry.ts';
import { streamSource } from '../../client/stream-source.ts';
import { type Address, baseName, formatPlace, joinPath, parseAddress } from '../address.ts';
import { CliError, exitCodes, usageError } from '../exit-codes.ts';
import type { Action, Invocation } from '../invocation.ts';
import { openSession, type Session } from '../session.ts';
import { writeOut } from '../terminal.ts';
import { copyToStream } from '../transfer/download-file.ts';
import {
  type DownloadJob,
  downloadTree,
  isSafePath,
  localTarget,
  type RemoteFile,
  type RemoteTree,
} from '../transfer/download-tree.ts';
import { walkRemoteTree } from '../transfer/tree-entry.ts';
import { uploadTree } from '../transfer/upload-tree.ts';
import { type LocalTree, targetName, walkLocal } from '../transfer/walk-local.ts';
import { copyBetweenFolders } from './copy-between.ts';
import { isInto } from './destination.ts';
import { relocate } from './entries.ts';
import { readTransferOptions, type TransferOptions, tellSkipped, withRun } from './transfer-run.ts';

type Remote = Extract<Address, { kind: 'remote' }>;

function isRemote(address: Address): address is Remote {
  return address.kind === 'remote';
}

async function putStream(invocation: Invocation, { client }: Session, place: Remote): Promise<void> {
  if (place.isDirectory) throw usageError('Standard input needs a name: put - folder:path.');
  const { stdin, signal } = invocation.terminal;
  await client.uploads.sendResumable(place, streamSource(stdin), { signal });
}

async function planUpload(
  client: VFolderClient,
  sources: readonly string[],
  destination: Remote,
  options: TransferOptions,
): Promise<{ readonly base: string; readonly tree: LocalTree }> {
  if (await isInto(client, destination, sources.length)) {
    const named = sources.map((source) => ({ source, name: targetName(source) }));
    return { base: destination.path, tree: await walkLocal(named, options) };
  }
  // The only source gets the name of the destination.
  const at = destination.path.lastIndexOf('/');
  const named = sources.map((source) => ({ source, name: destination.path.slice(at + 1) }));
  return { base: at < 0 ? '' : destination.path.slice(0, at), tree: await walkLocal(named, options) };
}

/** Brings files into a folder. */
export const put: Action = async (invocation) => {
  const addresses = invocation.args.map(parseAddress);
  const destination = addresses.at(-1);
  const sources = addresses.slice(0, -1);
  if (destination === undefined || !isRemote(destination) || sources.length === 0) {
    throw usageError('Write: put FILE... folder:path.');
  }
  if (sources.some(isRemote))
    throw usageError('What is put comes from this machine; "vfolder cp" copies inside and between folders.');
  const options = readTransferOptions(invocation);
  const session = await openSession(invocation, { retries: usualRetries });
  if (sources.length === 1 && sources[0]?.kind === 'stream')
    return putStream(invocation, session, destination);
  const paths = sources.map((source) => {
    if (source.kind === 'local') return source.path;
    throw usageError('Standard input is put alone.');
  });
  const { client } = session;
  const { folder } = destination;
  const { base, tree } = await planUpload(client, paths, destination, options);
  tellSkipped(invocation, tree.skipped);
  if (options.isDryRun) {
    const lines = tree.files.map(
      (file) => `${file.source} -> ${formatPlace({ folder, path: joinPath(base, file.path) })}\n`,
    );
    return writeOut(invocation.terminal, lines.join(''));
  }
  // One file may be given a name, which is not in the base.
  const names = tree.files.length === 1 ? tree.files.map(({ path }) => path) : [];
  const identity = ['put', ...paths.map((path) => resolve(path)), folder, base, ...names];
  await withRun(
    { invocation, session, title: 'Uploading', options, identity },
    tree.files.length,
    ({ run, journal }) => uploadTree({ client, run, journal, folder, base, width: options.width }, tree),
  );
};

interface Growing {
  readonly files: RemoteFile[];
  readonly directories: string[];
  readonly skipped: string[];
}

async function addDirectory(
  client: VFolderClient,
  tree: Growing,
  place: Place,
  to: { readonly target: string; readonly signal: AbortSignal },
): Promise<void> {
  const { target, signal } = to;
  const { folder } = place;
  tree.directories.push(target);
  const nameOf = (path: string): string => formatPlace({ folder, path: joinPath(place.path, path) });
  const onOmitted = (entries: number): void => {
    tree.skipped.push(`${nameOf('')}: one of ${entries} entries without a name`);
  };
  for await (const entry of walkRemoteTree(client, place, { signal, onOmitted })) {
    const { path, kind, sizeBytes, mtimeMs } = entry;
    if (kind === 'other') tree.skipped.push(nameOf(path));
    else if (kind === 'directory') tree.directories.push(localTarget(target, path));
    else {
      const file = { folder, path: joinPath(place.path, path), sizeBytes, mtimeMs };
      tree.files.push({ ...file, target: localTarget(target, path) });
    }
  }
}

/** The name that a source gets below a destination. @throws a usage error when no local file may have it */
function localName(source: Remote): string {
  const name = source.path === '' ? source.folder : baseName(source.path);
  if (isSafePath(name) && !name.includes('/')) return name;
  throw usageError(`"${name}" cannot be the name of a local file.`);
}

async function statSource(client: VFolderClient, source: Remote): Promise<EntryStat> {
  const found = await client.files.stat(source);
  if (found === undefined) throw new CliError(exitCodes.notFound, `${formatPlace(source)} is not there.`);
  if (found.type === 'file' || found.type === 'directory') return found;
  throw new CliError(exitCodes.conflict, `${formatPlace(source)} is no regular file.`);
}

async function addSource(
  client: VFolderClient,
  tree: Growing,
  source: Remote,
  to: {
    readonly destination: string;
    readonly isInto: boolean;
    readonly isRecursive: boolean;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  const { type, size = 0, modified } = await statSource(client, source);
  const target = to.isInto && !source.isContent ? join(to.destination, localName(source)) : to.destination;
  if (type === 'file') {
    const mtimeMs = modified === undefined ? undefined : Date.parse(modified);
    tree.files.push({ folder: source.folder, path: source.path, target, sizeBytes: size, mtimeMs });
    return;
  }
  if (!to.isRecursive) throw usageError(`${formatPlace(source)} is a directory: give -r.`);
  await addDirectory(client, tree, source, { target, signal: to.signal });
}

/** The last argument is the destination when it is a local one; else it is the current directory. */
function splitGet(args: readonly string[]): { readonly sources: readonly Remote[]; readonly to: Address } {
  const addresses = args.map(parseAddress);
  const last = addresses.at(-1);
  const hasDestination = last !== undefined && !isRemote(last);
  const sources = hasDestination ? addresses.slice(0, -1) : addresses;
  const remote = sources.filter(isRemote);
  if (remote.length === 0 || remote.length !== sources.length) {
    throw usageError('Write: get folder:path... [DIRECTORY or FILE].');
  }
  return { sources: remote, to: hasDestination ? last : { kind: 'local', path: '.' } };
}

async function planDownload(
  client: VFolderClient,
  sources: readonly Remote[],
  destination: string,
  options: { readonly isRecursive: boolean; readonly signal: AbortSignal },
): Promise<RemoteTree> {
  const found = await stat(destination).catch(() => undefined);
  const isInto = found?.isDirectory() === true || destination.endsWith('/') || sources.length > 1;
  if (isInto && found?.isFile() === true) throw usageError(`${destination} is no directory.`);
  const tree: Growing = { files: [], directories: [], skipped: [] };
  for (const source of sources) await addSource(client, tree, source, { ...options, destination, isInto });
  return tree;
}

/** Fetches files from a folder. */
export const get: Action = async (invocation) => {
  const { sources, to } = splitGet(invocation.args);
  const options = readTransferOptions(invocation);
  const session = await openSession(invocation, { retries: usualRetries });
  const { client } = session;
  const { signal } = invocation.terminal;
  if (to.kind !== 'local') {
    for (const source of sources) {
      await copyToStream(client, source, { signal, write: (bytes) => writeOut(invocation.terminal, bytes) });
    }
    return;
  }
  const tree = await planDownload(client, sources, to.path, { ...options, signal });
  tellSkipped(invocation, tree.skipped);
  if (options.isDryRun) {
    return writeOut(
      invocation.terminal,
      tree.files.map((file) => `${formatPlace(file)} -> ${file.target}\n`).join(''),
    );
  }
  const identity = ['get', ...sources.map(formatPlace), resolve(to.path)];
  await withRun(
    { invocation, session, title: 'Downloading', options, identity },
    tree.files.length,
    (begun) => {
      const job: DownloadJob = { client, ...begun, width: options.width };
      return downloadTree(job, tree);
    },
  );
};

/** Inside one folder the service copies, and never replaces anything: what says otherwise must not be passed over. */
function requireNoChoice(invocation: Invocation): void {
  if (invocation.flag('dryRun')) throw usageError('--dry-run is not for copies inside one folder.');
  if (invocation.text('onConflict') === 'overwrite') return;
  throw usageError('--on-conflict is not for copies inside one folder, which never replace anything.');
}

/** Copies up, down, inside a folder, or between folders, as the arguments say. */
export const copy: Action = async (invocation) => {
  const addresses = invocation.args.map(parseAddress);
  const last = addresses.at(-1);
  if (last === undefined || addresses.length < 2) throw usageError('Name what to copy, and where to.');
  if (!isRemote(last)) return get(invocation);
  const sources = addresses.slice(0, -1);
  if (sources.every((source) => !isRemote(source))) return put(invocation);
  if (sources.every(isRemote)) {
    const isInside = sources.every(({ folder }) => folder === last.folder);
    if (!isInside) return copyBetweenFolders(invocation, sources, last);
    requireNoChoice(invocation);
    return relocate(invocation, 'copy');
  }
  throw usageError('Copy either from this machine or from a folder, not from both at once.');
};
