import type { Command } from 'commander';
import { defineCommand, defineGroup } from '../define.ts';
import type { Terminal } from '../terminal.ts';

const actions = () => import('../actions/folders.ts');
const trash = () => import('../actions/trash.ts');
const detach = ['--detach', 'do not wait for the job; print its id'] as const;

/** Folders as a whole. */
export function defineFolderCommands(program: Command, terminal: Terminal): void {
  defineCommand(
    program,
    terminal,
    {
      usage: 'create <folder>',
      summary: 'make a folder',
      options: [
        ['--volume <name>', 'volume to make it on'],
        ['--cloneable', 'let members clone it'],
        ['--quota <size>', 'bytes that it may hold, such as 10G; for administrators'],
        ['--quota-files <n>', 'files that it may hold; for administrators'],
      ],
    },
    async () => (await actions()).createFolder,
  );
  defineCommand(
    program,
    terminal,
    { usage: 'rename <folder> <new-name>', summary: 'rename a folder for yourself' },
    async () => (await actions()).renameFolder,
  );
  defineCommand(
    program,
    terminal,
    { usage: 'info <folder>', summary: 'show a folder with its numbers' },
    async () => (await actions()).showFolder,
  );
  defineCommand(
    program,
    terminal,
    {
      usage: 'rm-folder <folder...>',
      summary: 'delete folders with everything in them',
      options: [['--force', 'also those that sessions have mounted']],
    },
    async () => (await actions()).removeFolders,
  );
  defineCommand(
    program,
    terminal,
    {
      usage: 'clone <folder> <new-folder>',
      summary: 'copy a whole folder into a new one of your own',
      options: [['--volume <name>', 'volume to make it on'], detach],
    },
    async () => (await actions()).cloneFolder,
  );
  defineCommand(
    program,
    terminal,
    {
      usage: 'usage [folder]',
      summary: 'show what folders hold, against their limits',
      options: [['--bytes', 'sizes in bytes']],
    },
    async () => (await actions()).showUsage,
  );
  defineTrash(program, terminal);
}

function defineTrash(program: Command, terminal: Terminal): void {
  const group = defineGroup(program, 'trash', 'deleted folders that can be had back');
  defineCommand(
    group,
    terminal,
    { usage: 'ls', isDefault: true, summary: 'list them' },
    async () => (await trash()).listTrash,
  );
  defineCommand(
    group,
    terminal,
    {
      usage: 'restore <id>',
      summary: 'take one back, by its id or name',
      options: [['--as <name>', 'name to give it']],
    },
    async () => (await trash()).restore,
  );
  defineCommand(
    group,
    terminal,
    { usage: 'purge <id...>', summary: 'delete them for ever' },
    async () => (await trash()).purge,
  );
}
