import type { Command } from 'commander';
import { defineCommand, defineGroup } from '../define.ts';
import type { Terminal } from '../terminal.ts';

const actions = () => import('../actions/sharing.ts');

/** Sharing folders with others. */
export function defineSharingCommands(program: Command, terminal: Terminal): void {
  defineCommand(
    program,
    terminal,
    {
      usage: 'share <folder> <users...>',
      summary: 'invite users, by e-mail address or id',
      options: [['--perm <permission>', 'ro, rw or rd (which also deletes)']],
      examples: ['vfolder share data bob@example.org --perm ro'],
    },
    async () => (await actions()).share,
  );
  defineCommand(
    program,
    terminal,
    { usage: 'unshare <folder> <users...>', summary: 'end memberships, and take invitations back' },
    async () => (await actions()).unshare,
  );
  defineCommand(
    program,
    terminal,
    { usage: 'shares <folder>', summary: 'list who has or is offered a folder' },
    async () => (await actions()).listShares,
  );
  defineCommand(
    program,
    terminal,
    { usage: 'leave <folder>', summary: 'leave a folder of somebody else' },
    async () => (await actions()).leave,
  );
  const invites = defineGroup(program, 'invites', 'folders that others offer you');
  defineCommand(
    invites,
    terminal,
    { usage: 'ls', isDefault: true, summary: 'list invitations' },
    async () => (await actions()).listInvitations,
  );
  defineCommand(
    invites,
    terminal,
    {
      usage: 'accept <id>',
      summary: 'accept an invitation',
      options: [['--as <name>', 'name to give the folder, when yours has that name already']],
    },
    async () => (await actions()).accept,
  );
  defineCommand(
    invites,
    terminal,
    { usage: 'reject <id...>', summary: 'reject invitations' },
    async () => (await actions()).reject,
  );
}
