import type { VFolderClient } from '../../client/client.ts';
import { isProblem } from '../../client/errors.ts';
import type { Place } from '../../client/files.ts';
import type { Entry, Folder } from '../../client/models.ts';
import { baseName, cleanPath, formatPlace, joinPath, parseAddress, parsePlace } from '../address.ts';
import { eachItem } from '../each-item.ts';
import { CliError, exitCodes, usageError } from '../exit-codes.ts';
import type { Action, Invocation } from '../invocation.ts';
import { type Column, printList } from '../output.ts';
import { openSession } from '../session.ts';
import { printable, writeOut } from '../terminal.ts';
import { walkRemote } from '../transfer/walk-remote.ts';
import { followWork } from '../work.ts';
import { sizeFormat } from './folders.ts';

const sortKeys = ['name', 'size', 'mtime'];

async function listFolders(invocation: Invocation, client: VFolderClient): Promise<void> {
  const folders = (await client.folders.list()).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const name: Column<Folder> = { title: 'NAME', cell: (folder) => folder.name };
  const long: Column<Folder>[] = [
    name,
    { title: 'PERMISSION', cell: (folder) => (folder.is_owner ? 'owner' : folder.permission) },
    { title: 'VOLUME', cell: (folder) => folder.host },
    { title: 'CREATED', cell: (folder) => folder.created_at },
  ];
  await printList(invocation.terminal, invocation.form(), folders, {
    columns: long,
    name: (folder) => folder.name,
  });
}

function entryColumns(invocation: Invocation): Column<Entry>[] {
  const bytes = sizeFormat(invocation);
  const shownName = (entry: Entry): string => (entry.type === 'directory' ? `${entry.name}/` : entry.name);
  const name: Column<Entry> = { title: 'NAME', cell: shownName };
  if (!invocation.flag('long')) return [name];
  return [
    { title: 'MODE', cell: (entry) => entry.mode },
    { title: 'SIZE', cell: (entry) => (entry.type === 'file' ? bytes(entry.size) : ''), align: 'end' },
    { title: 'MODIFIED', cell: (entry) => entry.modified },
    name,
  ];
}

async function readEntries(invocation: Invocation, client: VFolderClient, place: Place): Promise<Entry[]> {
  const sort = invocation.text('sort');
  if (sort !== undefined && !sortKeys.includes(sort)) throw usageError('--sort must be name, size or mtime.');
  const entries: Entry[] = [];
  if (invocation.flag('recursive')) {
    for await (const { path, entry } of walkRemote(client, place)) entries.push({ ...entry, name: path });
    return entries;
  }
  for await (const entry of client.files.list(place, { sort })) entries.push(entry);
  return sort === undefined ? entries.toSorted((a, b) => (a.name < b.name ? -1 : 1)) : entries;
}

/** A file, named directly, is listed as itself. */
async function listPlace(invocation: Invocation, client: VFolderClient, place: Place): Promise<Entry[]> {
  const stat = place.path === '' ? undefined : await client.files.stat(place);
  if (place.path === '' || stat?.type === 'directory') return readEntries(invocation, client, place);
  if (stat === undefined) throw notThere(place);
  const { type, size = 0, mode, modified } = stat;
  return [{ name: baseName(place.path), type, size, mode, modified, is_addressable: true }];
}

function notThere(place: Place): CliError {
  return new CliError(exitCodes.notFound, `${formatPlace(place)} is not there.`);
}

/** Lists folders, or a directory. */
export const list: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const [where] = invocation.args;
  if (where === undefined) return listFolders(invocation, client);
  const entries = await listPlace(invocation, client, parsePlace(where));
  const { terminal } = invocation;
  const form = invocation.form();
  if (form === 'table' && !invocation.flag('long')) {
    // Without a heading, so that it can be piped; on a terminal names must not do anything.
    const show = terminal.stdout.isTTY === true ? printable : (text: string) => text;
    const names = entries.map((entry) => `${show(entry.name)}${entry.type === 'directory' ? '/' : ''}\n`);
    return writeOut(terminal, names.join(''));
  }
  await printList(terminal, form, entries, {
    columns: entryColumns(invocation),
    name: (entry) => entry.name,
  });
};

/** Prints files. */
export const printFiles: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const { signal } = invocation.terminal;
  const { copyToStream } = await import('../transfer/download-file.ts');
  const write = (chunk: Uint8Array) => writeOut(invocation.terminal, chunk);
  await eachItem(invocation, invocation.args.map(parsePlace), {
    nameOf: formatPlace,
    act: async (place) => {
      if (place.path === '')
        throw new CliError(exitCodes.conflict, `${formatPlace(place)} is no regular file.`);
      await copyToStream(client, place, { signal, write });
    },
  });
};

/** An entry as `stat` shows it. */
interface ShownEntry extends Place {
  readonly type: string;
  readonly size: number | null;
  readonly modified: string;
  readonly etag: string | null;
}

/** Shows entries. */
export const showEntries: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const items: ShownEntry[] = [];
  const bytes = sizeFormat(invocation);
  const show = () =>
    printList(invocation.terminal, invocation.form(), items, {
      columns: [
        { title: 'TYPE', cell: (item) => item.type },
        { title: 'SIZE', cell: (item) => (item.size === null ? '' : bytes(item.size)), align: 'end' },
        { title: 'MODIFIED', cell: (item) => item.modified },
        { title: 'ETAG', cell: (item) => item.etag ?? '' },
        { title: 'PATH', cell: formatPlace },
      ],
      name: formatPlace,
    });
  await eachItem(invocation, invocation.args.map(parsePlace), {
    nameOf: formatPlace,
    show,
    act: async (place) => {
      const stat = await client.files.stat(place);
      if (stat === undefined) throw notThere(place);
      const { type, size = null, modified, etag = null } = stat;
      items.push({ folder: place.folder, path: place.path, type, size, modified, etag });
    },
  });
};

interface Sum {
  readonly bytes: number;
  readonly files: number;
  readonly directories: number;
}

async function sumBelow(client: VFolderClient, place: Place): Promise<Sum> {
  const sum = { bytes: 0, files: 0, directories: 0 };
  for await (const entry of client.files.walk(place)) {
    if (entry.type === 'directory') sum.directories += 1;
    if (entry.type !== 'file') continue;
    sum.files += 1;
    sum.bytes += entry.size;
  }
  return sum;
}

/** Adds up what is below directories. */
export const showDiskUsage: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const items: (Place & Sum)[] = [];
  const bytes = sizeFormat(invocation);
  const show = () =>
    printList(invocation.terminal, invocation.form(), items, {
      columns: [
        { title: 'BYTES', cell: (item) => bytes(item.bytes), align: 'end' },
        { title: 'FILES', cell: (item) => String(item.files), align: 'end' },
        { title: 'DIRECTORIES', cell: (item) => String(item.directories), align: 'end' },
        { title: 'PATH', cell: formatPlace },
      ],
      name: formatPlace,
    });
  await eachItem(invocation, invocation.args.map(parsePlace), {
    nameOf: formatPlace,
    show,
    act: async (place) => {
      items.push({ ...place, ...(await sumBelow(client, place)) });
    },
  });
};

/** Makes directories. */
export const makeDirectories: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const isLenient = invocation.flag('parents');
  const places = invocation.args.map(parsePlace);
  const whole = places.find(({ path }) => path === '');
  if (whole !== undefined)
    throw usageError(`${formatPlace(whole)} is a folder: "vfolder create" makes those.`);
  await eachItem(invocation, places, {
    nameOf: formatPlace,
    act: ({ folder, path }) =>
      client.files.makeDirectories(folder, [path], { parents: isLenient, existOk: isLenient }),
  });
};

/** Paths of one folder that are deleted by one request. */
interface Together {
  readonly folder: string;
  readonly paths: string[];
  outcome?: Promise<ReadonlyMap<string, string> | 'refused'>;
}

/** Fewer than the service takes at once. */
const togetherMax = 500;
/** What one path of several is refused for; nothing is deleted then. */
const refusals = ['entry_not_found', 'directory_not_recursive', 'path_invalid'] as const;

function groupByFolder(places: readonly Place[]): ReadonlyMap<Place, Together> {
  const latest = new Map<string, Together>();
  const groups = new Map<Place, Together>();
  for (const place of places) {
    const { folder, path } = place;
    const known = latest.get(folder);
    const group = known === undefined || known.paths.length >= togetherMax ? { folder, paths: [] } : known;
    group.paths.push(path);
    latest.set(folder, group);
    groups.set(place, group);
  }
  return groups;
}

/** @returns why some paths could not be deleted, by path */
async function removePaths(
  client: VFolderClient,
  { folder, paths }: Pick<Together, 'folder' | 'paths'>,
  recursive: boolean,
): Promise<ReadonlyMap<string, string>> {
  const { failed } = await client.files.remove(folder, paths, { recursive });
  return new Map(failed.map(({ path, reason }) => [path, reason]));
}

/** Deletes entries; those of one folder go together, unless one of them keeps the others from it. */
export const removeEntries: Action = async (invocation) => {
  const places = invocation.args.map(parsePlace);
  const whole = places.find(({ path }) => path === '');
  if (whole !== undefined)
    throw usageError(`${formatPlace(whole)} is a whole folder: "vfolder rm-folder" deletes those.`);
  const { client } = await openSession(invocation);
  const recursive = invocation.flag('recursive');
  const removeTogether = (group: Together) =>
    removePaths(client, group, recursive).catch((error: unknown) => {
      if (group.paths.length > 1 && isProblem(error, ...refusals)) return 'refused' as const;
      throw error;
    });
  const groups = groupByFolder(places);
  await eachItem(invocation, places, {
    nameOf: formatPlace,
    act: async (place) => {
      const { folder, path } = place;
      const group = groups.get(place) ?? { folder, paths: [path] };
      group.outcome ??= removeTogether(group);
      const together = await group.outcome;
      const failed =
        together === 'refused' ? await removePaths(client, { folder, paths: [path] }, recursive) : together;
      const reason = failed.get(path);
      if (reason === undefined) return;
      throw reason === 'not found'
        ? notThere(place)
        : new CliError(exitCodes.conflict, `${formatPlace(place)} was not deleted: ${reason}.`);
    },
  });
};

/** Where sources and a destination inside one folder are. */
export interface Relocation {
  readonly folder: string;
  readonly sources: readonly string[];
  readonly destination: string;
}

/** Reads `folder:src… folder:dst`. @throws a usage error unless all are in one folder */
export function parseRelocation(args: readonly string[]): Relocation {
  const places = args.map(parsePlace);
  const last = places.at(-1);
  if (last === undefined || places.length < 2) throw usageError('Name what, and where to.');
  const sources = places.slice(0, -1);
  if (sources.some(({ folder }) => folder !== last.folder)) {
    throw usageError('Entries move inside one folder: copy them with "vfolder cp -r", then delete them.');
  }
  if (sources.some(({ path }) => path === ''))
    throw usageError('A whole folder is cloned or renamed, not moved.');
  const [, rawPath = ''] = /^[^:]*:(.*)$/su.exec(args.at(-1) ?? '') ?? [];
  const isDirectory = rawPath.endsWith('/') && cleanPath(rawPath) !== '';
  // A slash at its end says that it is a directory; the service goes by what is there.
  const destination =
    isDirectory && sources.length === 1 ? joinPath(last.path, baseName(sources[0]?.path ?? '')) : last.path;
  return { folder: last.folder, sources: sources.map(({ path }) => path), destination };
}

/** Moves or copies inside a folder, one job each. */
export async function relocate(invocation: Invocation, verb: 'move' | 'copy'): Promise<void> {
  const { folder, sources, destination } = parseRelocation(invocation.args);
  const { client } = await openSession(invocation);
  if (sources.length > 1) {
    const stat = await client.files.stat({ folder, path: destination });
    if (stat?.type !== 'directory')
      throw usageError(`${formatPlace({ folder, path: destination })} is no directory.`);
  }
  if (verb === 'copy' && !invocation.flag('recursive')) await requireFiles(client, folder, sources);
  await eachItem(invocation, sources, {
    nameOf: (path) => formatPlace({ folder, path }),
    act: async (source) => {
      const title = `${verb === 'move' ? 'Moving' : 'Copying'} ${printable(source)}`;
      await followWork(invocation, title, await client.files[verb](folder, source, destination));
    },
  });
}

/** As with every other copy, a directory takes `-r`. @throws a usage error */
async function requireFiles(client: VFolderClient, folder: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const stat = await client.files.stat({ folder, path });
    if (stat?.type === 'directory')
      throw usageError(`${formatPlace({ folder, path })} is a directory: give -r.`);
  }
}

/** Moves entries. */
export const moveEntries: Action = (invocation) => {
  for (const arg of invocation.args) parseAddress(arg);
  return relocate(invocation, 'move');
};
