import type { VFolderClient } from '../../client/client.ts';
import { parseFolder } from '../address.ts';
import { eachItem } from '../each-item.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import type { Action, Invocation } from '../invocation.ts';
import { printList } from '../output.ts';
import { openSession } from '../session.ts';

/** Invites users. */
export const share: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const [folder = '', ...users] = invocation.args;
  const permission = invocation.text('perm');
  const invited = await client.sharing.invite(parseFolder(folder), { users, permission });
  await printList(
    invocation.terminal,
    invocation.form('name'),
    invited.map((id) => ({ id })),
    { columns: [{ title: 'INVITED', cell: ({ id }) => id }], name: ({ id }) => id },
  );
  const left = users.filter((user) => !invited.includes(user));
  if (left.length > 0) await requireShared(invocation, client, { folder: parseFolder(folder), left, users });
};

/** Whoever was not invited has to have the folder, or an invitation, already: else nothing came of it. */
async function requireShared(
  invocation: Invocation,
  client: VFolderClient,
  {
    folder,
    left,
    users,
  }: { readonly folder: string; readonly left: readonly string[]; readonly users: readonly string[] },
): Promise<void> {
  const shares = await sharesOf(client, folder);
  const has = (user: string) => shares.some((item) => isUser(item, user));
  const [there, unknown] = [left.filter(has), left.filter((user) => !has(user))];
  if (there.length > 0 && !invocation.flag('quiet')) {
    invocation.terminal.stderr.write(`${there.length} of ${users.length} are members or invited already.\n`);
  }
  const act = async (user: string): Promise<void> => {
    if (!unknown.includes(user)) return;
    // Offers tell the address of whom they are for, and no id.
    const how = user.includes('@') ? 'or the owner' : 'the owner, or invited already';
    throw new CliError(exitCodes.notFound, `${user} cannot be invited: unknown here, switched off, ${how}.`);
  };
  if (unknown.length > 0) await eachItem(invocation, users, { act });
}

function plainId(id: string): string {
  return id.toLowerCase().replaceAll('-', '');
}

function isUser({ user, email }: Share, given: string): boolean {
  return plainId(user) === plainId(given) || email.toLowerCase() === given.toLowerCase();
}

interface Share {
  readonly user: string;
  readonly email: string;
  readonly permission: string;
  readonly state: 'member' | 'invited';
  readonly id: string | null;
}

async function sharesOf(client: VFolderClient, folder: string): Promise<Share[]> {
  const { id } = await client.folders.show(folder);
  const members = await client.sharing.members(folder);
  const sent = (await client.sharing.sent()).filter((invitation) => invitation.vfolder_id === id);
  return [
    ...members
      .filter((member) => !member.is_owner)
      .map(({ user, email, permission }) => ({
        user,
        email,
        permission,
        state: 'member' as const,
        id: null,
      })),
    ...sent.map((invitation) => ({
      user: String(invitation.invitee ?? ''),
      email: String(invitation.invitee ?? ''),
      permission: invitation.permission,
      state: 'invited' as const,
      id: invitation.id,
    })),
  ];
}

/** Lists members and those who are invited. */
export const listShares: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const shares = await sharesOf(client, parseFolder(invocation.arg(0)));
  await printList(invocation.terminal, invocation.form(), shares, {
    columns: [
      { title: 'USER', cell: (item) => item.email },
      { title: 'PERMISSION', cell: (item) => item.permission },
      { title: 'STATE', cell: (item) => item.state },
    ],
    name: (item) => item.email,
  });
};

/** Ends memberships and takes invitations back. */
export const unshare: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const [name = '', ...users] = invocation.args;
  const folder = parseFolder(name);
  const shares = await sharesOf(client, folder);
  await eachItem(invocation, users, {
    act: async (user) => {
      const found = shares.find((item) => isUser(item, user));
      if (found === undefined)
        throw new CliError(exitCodes.notFound, `${user} neither has nor is offered ${folder}.`);
      if (found.id === null) await client.sharing.removeMember(folder, found.user);
      else await client.sharing.takeBack(found.id);
    },
  });
};

/** Leaves a folder. */
export const leave: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await client.sharing.leave(parseFolder(invocation.arg(0)));
};

/** Lists invitations to oneself. */
export const listInvitations: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printList(invocation.terminal, invocation.form(), await client.sharing.received(), {
    columns: [
      { title: 'ID', cell: (item) => item.id },
      { title: 'FOLDER', cell: (item) => item.vfolder_name },
      { title: 'PERMISSION', cell: (item) => item.permission },
      { title: 'FROM', cell: (item) => item.inviter ?? '' },
      { title: 'SINCE', cell: (item) => item.created_at },
    ],
    name: (item) => item.id,
  });
};

/** Accepts an invitation. */
export const accept: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await client.sharing.accept(invocation.arg(0), invocation.text('as'));
};

/** Rejects invitations. */
export const reject: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, { act: client.sharing.reject });
};
