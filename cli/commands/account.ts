import type { Command } from 'commander';
import { defineCommand, defineGroup } from '../define.ts';
import type { Terminal } from '../terminal.ts';

const actions = () => import('../actions/account.ts');
const tokens = () => import('../actions/tokens.ts');

/** Signing in and out, profiles, tokens, completion. */
export function defineAccountCommands(program: Command, terminal: Terminal): void {
  defineCommand(
    program,
    terminal,
    {
      usage: 'login [url]',
      summary: 'sign in to a service and remember it as a profile',
      options: [
        ['--access-key <key>', 'access key; asked for on a terminal'],
        ['--secret-key-stdin', 'read the secret key from standard input'],
        ['--token-stdin', 'read an API token from standard input'],
        ['--keypair-file <path>', 'read both keys from a JSON file such as data/admin-keypair.json'],
      ],
      examples: [
        'vfolder login http://127.0.0.1:8080 --keypair-file data/admin-keypair.json',
        'vfolder login https://files.example.org --profile work',
      ],
    },
    async () => (await actions()).login,
  );
  defineCommand(
    program,
    terminal,
    { usage: 'logout', summary: 'forget the profile in use' },
    async () => (await actions()).logout,
  );
  defineCommand(
    program,
    terminal,
    { usage: 'whoami', summary: 'show the service, and as whom you are known there' },
    async () => (await actions()).whoami,
  );
  const profile = defineGroup(program, 'profile', 'services that you are signed in to');
  defineCommand(
    profile,
    terminal,
    { usage: 'ls', isDefault: true, summary: 'list profiles' },
    async () => (await actions()).listProfiles,
  );
  defineCommand(
    profile,
    terminal,
    { usage: 'use <name>', summary: 'use this profile from now on' },
    async () => (await actions()).useProfile,
  );
  defineCommand(
    profile,
    terminal,
    { usage: 'rm <name>', summary: 'forget a profile' },
    async () => (await actions()).removeProfile,
  );
  defineTokens(program, terminal);
  defineCommand(
    program,
    terminal,
    {
      usage: 'completion <shell>',
      summary: 'print a completion script for bash, zsh or fish',
      examples: ['source <(vfolder completion bash)', 'vfolder completion fish | source'],
    },
    async () => (await import('../actions/completion.ts')).printScript,
  );
  // Asked by the scripts of `completion`; people have no use for it.
  program
    .command('__complete [words...]', { hidden: true })
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words: string[]) => {
      const { complete } = await import('../actions/completion.ts');
      await complete(program, words, terminal);
    });
}

function defineTokens(program: Command, terminal: Terminal): void {
  const token = defineGroup(program, 'token', 'API tokens: scoped, expiring, revocable');
  defineCommand(
    token,
    terminal,
    {
      usage: 'create [name]',
      summary: 'make a token; it is shown once',
      options: [
        ['--scope <scope>', 'read, or write (which includes read)', 'write'],
        ['--expires <duration>', 'how long it lasts: 12h, 30d', '90d'],
      ],
      examples: ['VFOLDER_TOKEN="$(vfolder token create ci --expires 1d -o name)"'],
    },
    async () => (await tokens()).createToken,
  );
  defineCommand(
    token,
    terminal,
    { usage: 'ls', isDefault: true, summary: 'list tokens' },
    async () => (await tokens()).listTokens,
  );
  defineCommand(
    token,
    terminal,
    { usage: 'revoke <id...>', summary: 'revoke tokens at once' },
    async () => (await tokens()).revokeTokens,
  );
}
