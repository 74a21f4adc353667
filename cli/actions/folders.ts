import type { VFolderClient } from '../../client/client.ts';
import type { AdminFolder, FolderUsage } from '../../client/models.ts';
import { parseFolder } from '../address.ts';
import { eachItem } from '../each-item.ts';
import type { Action, Invocation } from '../invocation.ts';
import { printList, printOne } from '../output.ts';
import { confirm } from '../questions.ts';
import { openSession } from '../session.ts';
import { formatBytes, parseBytes, parseWhole } from '../sizes.ts';
import { printable } from '../terminal.ts';
import { followWork } from '../work.ts';

type Named = { readonly id: string; readonly name: string };
type FolderQuota = Parameters<VFolderClient['admin']['limits']['changeQuota']>[1];
const quotaFilesMost = 100_000_000_000;

function pickLimits({ quota_bytes, quota_files }: AdminFolder) {
  return { quota_bytes, quota_files };
}

function limitFields({ quota_bytes, quota_files }: AdminFolder): (readonly [string, string])[] {
  return [
    ['bytes at most', formatBytes(quota_bytes)],
    ['files at most', String(quota_files)],
  ];
}

/** The limits that a new folder shall have; nothing where none is asked for. */
function quotaOf(invocation: Invocation): FolderQuota | undefined {
  const [bytes, files] = [invocation.text('quota'), invocation.text('quotaFiles')];
  if (bytes === undefined && files === undefined) return undefined;
  return {
    quota_bytes: bytes === undefined ? undefined : parseBytes(bytes, 'quota'),
    quota_files: files === undefined ? undefined : parseWhole(files, 'quota-files', [0, quotaFilesMost]),
  };
}

/** Gives a folder that was just made its limits, which only administrators may. */
async function limit(invocation: Invocation, client: VFolderClient, quota: FolderQuota, folder: Named) {
  try {
    return await client.admin.limits.changeQuota(folder.id, quota);
  } catch (error) {
    invocation.terminal.stderr.write(`${printable(folder.name)} is made, with the limits of its owner.\n`);
    throw error;
  }
}

/** Makes a folder. */
export const createFolder: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const cloneable = invocation.flag('cloneable') ? true : undefined;
  const quota = quotaOf(invocation);
  const name = parseFolder(invocation.arg(0));
  // Whoever may not set limits is told so before there is a folder.
  if (quota !== undefined) await client.admin.limits.policies();
  const folder = await client.folders.create({ name, host: invocation.text('volume'), cloneable });
  const limited = quota === undefined ? undefined : await limit(invocation, client, quota, folder);
  const limits = limited === undefined ? {} : pickLimits(limited);
  await printOne(
    invocation.terminal,
    invocation.form('name'),
    { ...folder, ...limits },
    {
      name: folder.name,
      fields: [
        ['name', folder.name],
        ['id', folder.id],
        ['volume', folder.host],
        ...(limited === undefined ? [] : limitFields(limited)),
      ],
    },
  );
};

/** Renames a folder. */
export const renameFolder: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const folder = await client.folders.rename(parseFolder(invocation.arg(0)), parseFolder(invocation.arg(1)));
  await printOne(invocation.terminal, invocation.form('name'), folder, {
    name: folder.name,
    fields: [
      ['name', folder.name],
      ['id', folder.id],
    ],
  });
};

/** Shows a folder. */
export const showFolder: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const folder = await client.folders.show(parseFolder(invocation.arg(0)));
  await printOne(invocation.terminal, invocation.form(), folder, {
    name: folder.name,
    fields: [
      ['name', folder.name],
      ['id', folder.id],
      ['volume', folder.host],
      ['yours', folder.is_owner ? 'yes' : 'no'],
      ['permission', folder.permission],
      ['used', `${formatBytes(folder.used_bytes)} of ${formatBytes(folder.quota_bytes)}`],
      ['files', `${folder.numFiles} of ${folder.quota_files}`],
      ['created', folder.created_at],
      ['counted', folder.usage_as_of],
    ],
  });
};

/** Deletes folders. */
export const removeFolders: Action = async (invocation) => {
  const names = invocation.args.map(parseFolder);
  const { client } = await openSession(invocation);
  await confirm(invocation, `Delete ${names.join(', ')} with everything in it?`);
  await eachItem(invocation, names, {
    act: async (name) => {
      await client.folders.remove(name, { isForced: invocation.flag('force') });
    },
  });
};

/** Copies a whole folder. */
export const cloneFolder: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const [source, name] = [parseFolder(invocation.arg(0)), parseFolder(invocation.arg(1))];
  const work = await client.folders.clone(source, { name, host: invocation.text('volume') });
  const copied = await followWork(invocation, `Cloning ${source}`, work);
  if (copied === undefined) return;
  await printOne(invocation.terminal, invocation.form('name'), copied, {
    name,
    fields: [
      ['name', name],
      ['bytes', String(copied.bytes)],
      ['files', String(copied.files)],
      ['left out', String(copied.skipped_count)],
    ],
  });
};

/** Shows what folders hold. */
export const showUsage: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const [only] = invocation.args;
  const names =
    only === undefined ? (await client.folders.list()).map(({ name }) => name) : [parseFolder(only)];
  const items: ({ readonly name: string } & FolderUsage)[] = [];
  for (const name of names) items.push({ name, ...(await client.folders.usage(name)) });
  const bytes = sizeFormat(invocation);
  await printList(invocation.terminal, invocation.form(), items, {
    columns: [
      { title: 'FOLDER', cell: (item) => item.name },
      { title: 'USED', cell: (item) => bytes(item.live.bytes), align: 'end' },
      { title: 'RESERVED', cell: (item) => bytes(item.reserved.bytes), align: 'end' },
      { title: 'TRASH', cell: (item) => bytes(item.trash.bytes), align: 'end' },
      { title: 'LIMIT', cell: (item) => bytes(item.limit.bytes), align: 'end' },
      { title: 'FILES', cell: (item) => `${item.live.files}/${item.limit.files}`, align: 'end' },
      {
        title: 'DIRECTORIES',
        cell: ({ directories }) =>
          directories === undefined ? '' : `${directories.held}/${directories.limit}`,
        align: 'end',
      },
      { title: 'COUNTED', cell: (item) => item.as_of },
    ],
    name: (item) => item.name,
  });
};

/** Sizes for people, or raw with `--bytes`. */
export function sizeFormat(invocation: Invocation): (bytes: number) => string {
  return invocation.flag('bytes') ? String : formatBytes;
}
