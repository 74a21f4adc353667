import type { VFolderClient } from '../../client/client.ts';
import { isProblem } from '../../client/errors.ts';
import type { PolicyLimits } from '../../client/limits.ts';
import type { AdminFolder, Policy } from '../../client/models.ts';
import { eachItem } from '../each-item.ts';
import { usageError } from '../exit-codes.ts';
import type { Action, Invocation } from '../invocation.ts';
import { type Column, printList, printOne } from '../output.ts';
import { confirm } from '../questions.ts';
import { openSession } from '../session.ts';
import { formatBytes, parseBytes, parseWhole } from '../sizes.ts';

function bytesOf(invocation: Invocation): number | undefined {
  const text = invocation.text('bytes');
  return text === undefined ? undefined : parseBytes(text, 'bytes');
}

function wholeOf(invocation: Invocation, option: 'files' | 'folders'): number | undefined {
  const text = invocation.text(option);
  const max = option === 'files' ? 100_000_000_000 : 1_000_000_000;
  return text === undefined ? undefined : parseWhole(text, option, [0, max]);
}

const folderColumns: readonly Column<AdminFolder>[] = [
  { title: 'ID', cell: (folder) => folder.id },
  { title: 'OWNER', cell: (folder) => folder.owner_email },
  { title: 'USED', cell: (folder) => formatBytes(folder.used_bytes), align: 'end' },
  { title: 'QUOTA', cell: (folder) => formatBytes(folder.quota_bytes), align: 'end' },
  { title: 'FILES', cell: (folder) => String(folder.used_files), align: 'end' },
  { title: 'MAX', cell: (folder) => String(folder.quota_files), align: 'end' },
  { title: 'NAME', cell: (folder) => folder.name },
];

/** Lists folders with their limits. */
export const listQuotas: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const folders = await client.admin.limits.folders(invocation.args[0]);
  await printList(invocation.terminal, invocation.form(), folders, {
    columns: folderColumns,
    name: (folder) => folder.id,
  });
};

function printFolder(invocation: Invocation, folder: AdminFolder): Promise<void> {
  return printOne(invocation.terminal, invocation.form(), folder, {
    name: folder.id,
    fields: [
      ['folder', folder.name],
      ['id', folder.id],
      ['owner', folder.owner_email],
      ['state', folder.state],
      ['bytes', `${formatBytes(folder.used_bytes)} of ${formatBytes(folder.quota_bytes)}`],
      ['files', `${folder.used_files} of ${folder.quota_files}`],
    ],
  });
}

/** Shows the limits of a folder. */
export const showQuota: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printFolder(invocation, await client.admin.limits.folder(invocation.arg(0)));
};

/** Gives a folder other limits. */
export const setQuota: Action = async (invocation) => {
  const quota = { quota_bytes: bytesOf(invocation), quota_files: wholeOf(invocation, 'files') };
  if (quota.quota_bytes === undefined && quota.quota_files === undefined) {
    throw usageError('Give --bytes, --files or both.');
  }
  const { client } = await openSession(invocation);
  await printFolder(invocation, await client.admin.limits.changeQuota(invocation.arg(0), quota));
};

/** Lists policies. */
export const listPolicies: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printList(invocation.terminal, invocation.form(), await client.admin.limits.policies(), {
    columns: [
      { title: 'POLICY', cell: (policy) => policy.name },
      { title: 'FOLDERS', cell: (policy) => String(policy.folders), align: 'end' },
      { title: 'BYTES', cell: (policy) => formatBytes(policy.folder_bytes), align: 'end' },
      { title: 'FILES', cell: (policy) => String(policy.folder_files), align: 'end' },
      { title: 'REQUESTS', cell: (policy) => String(policy.requests ?? 'usual'), align: 'end' },
      { title: 'VOLUMES', cell: (policy) => policy.volumes?.join(',') ?? 'all' },
      { title: 'USERS', cell: (policy) => String(policy.users), align: 'end' },
    ],
    name: (policy) => policy.name,
  });
};

function requestsOf(invocation: Invocation): number | null | undefined {
  const text = invocation.text('requests');
  if (text === undefined || text === 'usual') return text === undefined ? undefined : null;
  return parseWhole(text, 'requests', [1, 1_000_000_000]);
}

function volumesOf(invocation: Invocation): readonly string[] | null | undefined {
  const text = invocation.text('volumes');
  if (text === undefined || text === 'all') return text === undefined ? undefined : null;
  return text.split(',').map((name) => name.trim());
}

function limitsOf(invocation: Invocation): PolicyLimits {
  return {
    folders: wholeOf(invocation, 'folders'),
    folder_bytes: bytesOf(invocation),
    folder_files: wholeOf(invocation, 'files'),
    requests: requestsOf(invocation),
    volumes: volumesOf(invocation),
  };
}

function printPolicy(invocation: Invocation, policy: Policy): Promise<void> {
  return printOne(invocation.terminal, invocation.form(), policy, {
    name: policy.name,
    fields: [
      ['policy', policy.name],
      ['folders', String(policy.folders)],
      ['bytes', formatBytes(policy.folder_bytes)],
      ['files', String(policy.folder_files)],
      ['requests', String(policy.requests ?? 'usual')],
      ['volumes', policy.volumes?.join(', ') ?? 'all'],
      ['users', String(policy.users)],
    ],
  });
}

/** The service says that a volume is none, not which one. */
function nameVolumes(client: VFolderClient, { volumes }: PolicyLimits): (error: unknown) => Promise<never> {
  return async (error) => {
    if (!isProblem(error, 'request_malformed') || !volumes) throw error;
    const known = (await client.admin.volumes()).map(({ name }) => name);
    const unknown = volumes.filter((name) => !known.includes(name));
    if (unknown.length === 0) throw error;
    const names = unknown.map((name) => `"${name}"`).join(', ');
    throw usageError(`There is no volume ${names}: there are ${known.join(', ')}.`);
  };
}

/** Makes a policy. */
export const createPolicy: Action = async (invocation) => {
  const limits = limitsOf(invocation);
  const { client } = await openSession(invocation);
  const made = client.admin.limits.createPolicy(invocation.arg(0), limits);
  await printPolicy(invocation, await made.catch(nameVolumes(client, limits)));
};

/** Changes limits of a policy. */
export const setPolicy: Action = async (invocation) => {
  const limits = limitsOf(invocation);
  if (Object.values(limits).every((limit) => limit === undefined)) {
    throw usageError('Give --folders, --bytes, --files, --requests, --volumes or several of them.');
  }
  const { client } = await openSession(invocation);
  const changed = client.admin.limits.changePolicy(invocation.arg(0), limits);
  await printPolicy(invocation, await changed.catch(nameVolumes(client, limits)));
};

/** Removes policies that nobody has. */
export const removePolicies: Action = async (invocation) => {
  await confirm(invocation, `Remove ${invocation.args.join(', ')}?`);
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, { act: client.admin.limits.removePolicy });
};
