import type { VFolderClient } from '../../client/client.ts';
import { eachItem } from '../each-item.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import type { Action } from '../invocation.ts';
import { printList, printOne } from '../output.ts';
import { confirm } from '../questions.ts';
import { openSession } from '../session.ts';
import { formatBytes } from '../sizes.ts';

/** Lists the folders in the trash. */
export const listTrash: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printList(invocation.terminal, invocation.form(), await client.folders.trash(), {
    columns: [
      { title: 'ID', cell: (folder) => folder.id },
      { title: 'NAME', cell: (folder) => folder.name },
      { title: 'USED', cell: (folder) => formatBytes(folder.used_bytes), align: 'end' },
      { title: 'DELETED', cell: (folder) => folder.deleted_at },
      { title: 'PURGED', cell: (folder) => folder.expires_at },
    ],
    name: (folder) => folder.id,
  });
};

/** People know names; several folders in the trash may have had the same one. */
async function idOf(client: VFolderClient, idOrName: string): Promise<string> {
  const trashed = await client.folders.trash();
  const found = trashed.filter(({ id, name }) => id === idOrName || name === idOrName);
  if (found.length > 1) {
    throw new CliError(exitCodes.conflict, `Several folders were called "${idOrName}": name one by its id.`);
  }
  return found[0]?.id ?? idOrName;
}

/** Takes a folder back. */
export const restore: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const id = await idOf(client, invocation.arg(0));
  const folder = await client.folders.restore(id, invocation.text('as'));
  await printOne(invocation.terminal, invocation.form('name'), folder, {
    name: folder.name,
    fields: [
      ['name', folder.name],
      ['id', folder.id],
    ],
  });
};

/** Deletes folders in the trash for ever. */
export const purge: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await confirm(invocation, `Delete ${invocation.args.join(', ')} for ever?`);
  await eachItem(invocation, invocation.args, {
    act: async (wanted) => {
      await client.folders.purge(await idOf(client, wanted));
    },
  });
};
