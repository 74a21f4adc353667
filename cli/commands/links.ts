import type { Command } from 'commander';
import { defineCommand, defineGroup } from '../define.ts';
import type { Terminal } from '../terminal.ts';

const actions = () => import('../actions/links.ts');

/** Links for others, who need no account. */
export function defineLinkCommands(program: Command, terminal: Terminal): void {
  const link = defineGroup(program, 'link', 'links for others to a file or directory: expiring, revocable');
  defineCommand(
    link,
    terminal,
    {
      usage: 'create <place>',
      summary: 'make a link to folder:path; its address is shown once',
      options: [
        ['--expires <duration>', 'how long it leads there: 12h, 30d', '7d'],
        ['--upload', 'to put new files into that directory, not to read it'],
        ['--max <n>', 'how many downloads or uploads may begin'],
        ['--password', 'ask for a password that it shall have'],
        ['--password-stdin', 'read that password from standard input'],
      ],
      examples: [
        'vfolder link create data:results/plot.png --expires 2d --max 10',
        'vfolder link create data:inbox --upload',
        'curl -T report.pdf "$(vfolder link create data:inbox --upload -o name)/"',
      ],
    },
    async () => (await actions()).createLink,
  );
  defineCommand(
    link,
    terminal,
    { usage: 'ls [folder]', isDefault: true, summary: 'list your links and those of your folders' },
    async () => (await actions()).listLinks,
  );
  defineCommand(
    link,
    terminal,
    { usage: 'rm <id...>', summary: 'revoke links at once' },
    async () => (await actions()).revokeLinks,
  );
}

/** Links of everybody, below `admin`. */
export function defineAllLinkCommands(admin: Command, terminal: Terminal): void {
  const group = defineGroup(admin, 'links', 'links that anybody made for people without an account');
  defineCommand(
    group,
    terminal,
    {
      usage: 'ls',
      isDefault: true,
      summary: 'list links, newest first',
      options: [
        ['--user <user>', 'only those that this user made'],
        ['--folder <folder-id>', 'only those that lead into this folder'],
      ],
    },
    async () => (await actions()).listAllLinks,
  );
  defineCommand(
    group,
    terminal,
    { usage: 'rm <id...>', summary: 'revoke links at once, by their ids' },
    async () => (await actions()).revokeAnyLinks,
  );
}
