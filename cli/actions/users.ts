import type { UserDetails } from '../../client/models.ts';
import type { SwitchState } from '../../client/users.ts';
import { eachItem } from '../each-item.ts';
import { usageError } from '../exit-codes.ts';
import type { Action, Invocation } from '../invocation.ts';
import { printList, printOne } from '../output.ts';
import { confirm } from '../questions.ts';
import { openSession } from '../session.ts';
import { formatBytes } from '../sizes.ts';

const states = ['active', 'inactive'];
const roles = ['user', 'admin'];

function oneOf(words: readonly string[], given: string | undefined, what: string): string | undefined {
  if (given === undefined || words.includes(given)) return given;
  throw usageError(`${what} must be ${words.join(' or ')}, not "${given}".`);
}

/** Lists users. */
export const listUsers: Action = async (invocation) => {
  const filter = {
    state: oneOf(states, invocation.text('state'), '--state'),
    role: oneOf(roles, invocation.text('role'), '--role'),
    text: invocation.text('text'),
  };
  const { client } = await openSession(invocation);
  await printList(invocation.terminal, invocation.form(), await client.admin.users.list(filter), {
    columns: [
      { title: 'ID', cell: (user) => user.id },
      { title: 'E-MAIL', cell: (user) => user.email },
      { title: 'ROLE', cell: (user) => user.role },
      { title: 'POLICY', cell: (user) => user.policy },
      { title: 'ACTIVE', cell: (user) => (user.is_active ? 'yes' : 'no') },
    ],
    name: (user) => user.email,
  });
};

/** Makes a user. */
export const createUser: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  const user = await client.admin.users.create(invocation.arg(0));
  await printOne(invocation.terminal, invocation.form('name'), user, {
    name: user.id,
    fields: [
      ['id', user.id],
      ['e-mail', user.email],
    ],
  });
};

function printUser(invocation: Invocation, user: UserDetails): Promise<void> {
  return printOne(invocation.terminal, invocation.form(), user, {
    name: user.email,
    fields: [
      ['id', user.id],
      ['e-mail', user.email],
      ['role', user.role],
      ['active', user.is_active ? 'yes' : 'no'],
      ['policy', user.policy],
      ['folders', String(user.folders)],
      ['used', `${formatBytes(user.used_bytes)} in ${user.used_files} files`],
      ['keypairs', String(user.keypairs)],
      ['tokens', String(user.tokens)],
      ['since', user.created_at],
    ],
  });
}

/** Shows a user with what they have. */
export const showUser: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printUser(invocation, await client.admin.users.show(invocation.arg(0)));
};

async function switchUsers(invocation: Invocation, state: SwitchState): Promise<void> {
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, {
    act: async (user) => {
      await client.admin.users.change(user, { state });
    },
  });
}

/** Switches users off. */
export const deactivateUsers: Action = (invocation) => switchUsers(invocation, 'inactive');
/** Switches users on again. */
export const activateUsers: Action = (invocation) => switchUsers(invocation, 'active');

/** Gives a user another role. */
export const changeRole: Action = async (invocation) => {
  const role = oneOf(roles, invocation.arg(1), 'The role') ?? 'user';
  const { client } = await openSession(invocation);
  await client.admin.users.change(invocation.arg(0), { role });
};

/** Gives a user another policy. */
export const changePolicy: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await client.admin.users.change(invocation.arg(0), { policy: invocation.arg(1) });
};

/** Lists keypairs without their secrets. */
export const listKeypairs: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printList(
    invocation.terminal,
    invocation.form(),
    await client.admin.users.keypairs(invocation.args[0]),
    {
      columns: [
        { title: 'ACCESS KEY', cell: (keypair) => keypair.access_key },
        { title: 'USER', cell: (keypair) => keypair.email },
        { title: 'ACTIVE', cell: (keypair) => (keypair.is_active ? 'yes' : 'no') },
        { title: 'SINCE', cell: (keypair) => keypair.created_at },
      ],
      name: (keypair) => keypair.access_key,
    },
  );
};

async function printIssued(
  invocation: Invocation,
  keypair: { readonly access_key: string; readonly secret_key: string },
): Promise<void> {
  await printOne(invocation.terminal, invocation.form(), keypair, {
    name: keypair.access_key,
    fields: [
      ['access key', keypair.access_key],
      ['secret key', keypair.secret_key],
    ],
  });
}

/** Makes a keypair; this once its secret is shown. */
export const createKeypair: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printIssued(invocation, await client.admin.users.createKeypair(invocation.arg(0)));
};

/** Gives a keypair another secret; this once it is shown. */
export const rotateKeypair: Action = async (invocation) => {
  const { client } = await openSession(invocation);
  await printIssued(invocation, await client.admin.users.rotateKeypair(invocation.arg(0)));
};

async function switchKeypairs(invocation: Invocation, state: SwitchState): Promise<void> {
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, {
    act: async (accessKey) => {
      await client.admin.users.switchKeypair(accessKey, state);
    },
  });
}

/** Switches keypairs off. */
export const deactivateKeypairs: Action = (invocation) => switchKeypairs(invocation, 'inactive');
/** Switches keypairs on again. */
export const activateKeypairs: Action = (invocation) => switchKeypairs(invocation, 'active');

/** Removes keypairs for good. */
export const removeKeypairs: Action = async (invocation) => {
  await confirm(invocation, `Remove ${invocation.args.join(', ')} for good?`);
  const { client } = await openSession(invocation);
  await eachItem(invocation, invocation.args, { act: client.admin.users.removeKeypair });
};
