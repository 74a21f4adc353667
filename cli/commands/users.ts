import type { Command } from 'commander';
import { defineCommand, defineGroup } from '../define.ts';
import type { Terminal } from '../terminal.ts';

const actions = () => import('../actions/users.ts');

/** Users and their keypairs, below `admin`. */
export function defineUserCommands(admin: Command, terminal: Terminal): void {
  const users = defineGroup(admin, 'users', 'users, each named by id or e-mail address');
  defineCommand(
    users,
    terminal,
    {
      usage: 'ls',
      isDefault: true,
      summary: 'list users',
      options: [
        ['--state <state>', 'only those who are active, or inactive'],
        ['--role <role>', 'only those with the role user, or admin'],
        ['--text <text>', 'only those with this in their address'],
      ],
    },
    async () => (await actions()).listUsers,
  );
  defineCommand(
    users,
    terminal,
    { usage: 'show <user>', summary: 'show a user with what they have' },
    async () => (await actions()).showUser,
  );
  defineCommand(
    users,
    terminal,
    { usage: 'create <email>', summary: 'make a user' },
    async () => (await actions()).createUser,
  );
  defineCommand(
    users,
    terminal,
    {
      usage: 'deactivate <user...>',
      summary: 'switch users off: keypairs, tokens and sessions stop at once',
    },
    async () => (await actions()).deactivateUsers,
  );
  defineCommand(
    users,
    terminal,
    { usage: 'activate <user...>', summary: 'switch users on again' },
    async () => (await actions()).activateUsers,
  );
  defineCommand(
    users,
    terminal,
    {
      usage: 'role <user> <role>',
      summary: 'make somebody an administrator (admin), or no longer one (user)',
    },
    async () => (await actions()).changeRole,
  );
  defineCommand(
    users,
    terminal,
    { usage: 'policy <user> <policy>', summary: 'give a user another policy' },
    async () => (await actions()).changePolicy,
  );
  defineKeypairs(admin, terminal);
}

function defineKeypairs(admin: Command, terminal: Terminal): void {
  const keypairs = defineGroup(admin, 'keypairs', 'keypairs, each named by its access key');
  defineCommand(
    keypairs,
    terminal,
    { usage: 'ls [user]', isDefault: true, summary: 'list keypairs, of one user or all' },
    async () => (await actions()).listKeypairs,
  );
  defineCommand(
    keypairs,
    terminal,
    { usage: 'create <user>', summary: 'make a keypair of a user; the secret is shown once' },
    async () => (await actions()).createKeypair,
  );
  defineCommand(
    keypairs,
    terminal,
    { usage: 'deactivate <access-key...>', summary: 'switch keypairs off, and end their sessions' },
    async () => (await actions()).deactivateKeypairs,
  );
  defineCommand(
    keypairs,
    terminal,
    { usage: 'activate <access-key...>', summary: 'switch keypairs on again' },
    async () => (await actions()).activateKeypairs,
  );
  defineCommand(
    keypairs,
    terminal,
    { usage: 'rotate <access-key>', summary: 'give a keypair another secret, which is shown once' },
    async () => (await actions()).rotateKeypair,
  );
  defineCommand(
    keypairs,
    terminal,
    { usage: 'rm <access-key...>', summary: 'remove keypairs for good' },
    async () => (await actions()).removeKeypairs,
  );
}
