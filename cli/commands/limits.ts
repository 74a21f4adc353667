import type { Command } from 'commander';
import { defineCommand, defineGroup } from '../define.ts';
import type { Terminal } from '../terminal.ts';

const actions = () => import('../actions/limits.ts');

const bytes = ['--bytes <size>', 'bytes of a folder: 500M, 10G, 2T'] as const;
const files = ['--files <number>', 'files of a folder'] as const;
const folders = ['--folders <number>', 'folders a user may own'] as const;
const requests = [
  '--requests <number>',
  'requests of a keypair in any 15 minutes; "usual" for what the service is set to',
] as const;
const volumes = ['--volumes <names>', 'where folders may be made, by commas; "all" for everywhere'] as const;

/** Limits of folders and of users, below `admin`. */
export function defineLimitCommands(admin: Command, terminal: Terminal): void {
  const quota = defineGroup(admin, 'quota', 'limits of folders, each named by its id');
  defineCommand(
    quota,
    terminal,
    { usage: 'ls [user]', isDefault: true, summary: 'list folders with their limits, of one user or all' },
    async () => (await actions()).listQuotas,
  );
  defineCommand(
    quota,
    terminal,
    { usage: 'show <folder-id>', summary: 'show the limits of a folder' },
    async () => (await actions()).showQuota,
  );
  defineCommand(
    quota,
    terminal,
    {
      usage: 'set <folder-id>',
      summary: 'give a folder other limits; below what it holds, only what adds to it is refused',
      options: [bytes, files],
    },
    async () => (await actions()).setQuota,
  );
  const policies = defineGroup(admin, 'policies', 'limits that users share');
  defineCommand(
    policies,
    terminal,
    { usage: 'ls', isDefault: true, summary: 'list policies' },
    async () => (await actions()).listPolicies,
  );
  defineCommand(
    policies,
    terminal,
    {
      usage: 'create <name>',
      summary: 'make a policy; "vfolder admin users policy" gives it to users',
      options: [folders, bytes, files, requests, volumes],
    },
    async () => (await actions()).createPolicy,
  );
  defineCommand(
    policies,
    terminal,
    {
      usage: 'set <name>',
      summary: 'change limits of a policy; folders that exist keep theirs',
      options: [folders, bytes, files, requests, volumes],
    },
    async () => (await actions()).setPolicy,
  );
  defineCommand(
    policies,
    terminal,
    { usage: 'rm <name...>', summary: 'remove policies that nobody has' },
    async () => (await actions()).removePolicies,
  );
}
