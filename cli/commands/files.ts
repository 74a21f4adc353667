import type { Command } from 'commander';
import { defineCommand } from '../define.ts';
import type { Terminal } from '../terminal.ts';

const actions = () => import('../actions/entries.ts');
const finding = () => import('../actions/find.ts');
const synchronising = () => import('../actions/sync.ts');
const transfers = () => import('../actions/transfers.ts');
const detach = ['--detach', 'do not wait for the job; print its id'] as const;

const progressOptions = [
  ['--progress-every <seconds>', 'time between two lines of progress where there is no terminal (10)'],
  ['--no-progress', 'no progress'],
] as const;

const transferOptions = [
  ['-r, --recursive', 'directories with everything below them'],
  ['--transfers <n>', 'how many transfers at the same time, 1 to 64', '4'],
  ['--on-conflict <choice>', 'what to do about files that are there: overwrite, skip or fail', 'overwrite'],
  ['--dry-run', 'only say what would be transferred'],
  ['--no-resume', 'start over, even where an interrupted transfer left off'],
  ...progressOptions,
] as const;

/** Entries in folders, and transfers. */
export function defineFileCommands(program: Command, terminal: Terminal): void {
  defineListing(program, terminal);
  defineFinding(program, terminal);
  defineTransfers(program, terminal);
  defineCommand(
    program,
    terminal,
    {
      usage: 'mv <paths...>',
      summary: 'move or rename inside a folder; nothing is ever replaced',
      options: [detach],
      examples: ['vfolder mv data:raw.csv data:archive/'],
    },
    async () => (await actions()).moveEntries,
  );
  defineCommand(
    program,
    terminal,
    {
      usage: 'rm <paths...>',
      summary: 'delete entries',
      options: [['-r, --recursive', 'directories with everything below them']],
    },
    async () => (await actions()).removeEntries,
  );
  defineCommand(
    program,
    terminal,
    {
      usage: 'mkdir <paths...>',
      summary: 'make directories',
      options: [['-p, --parents', 'with those above them, and without complaint when they are there']],
    },
    async () => (await actions()).makeDirectories,
  );
}

function defineListing(program: Command, terminal: Terminal): void {
  defineCommand(
    program,
    terminal,
    {
      usage: 'ls [place]',
      summary: 'list folders, or the entries of a directory',
      options: [
        ['-l, --long', 'with mode, size and time'],
        ['-R, --recursive', 'with everything below'],
        ['--sort <key>', 'name, size or mtime'],
        ['--bytes', 'sizes in bytes'],
      ],
      examples: ['vfolder ls', 'vfolder ls -l data:results', 'vfolder ls -R data: -o jsonl'],
    },
    async () => (await actions()).list,
  );
  defineCommand(
    program,
    terminal,
    { usage: 'cat <paths...>', summary: 'print files to standard output' },
    async () => (await actions()).printFiles,
  );
  defineCommand(
    program,
    terminal,
    { usage: 'stat <paths...>', summary: 'show what is known of entries' },
    async () => (await actions()).showEntries,
  );
  defineCommand(
    program,
    terminal,
    {
      usage: 'du <places...>',
      summary: 'add up the bytes and files below directories',
      options: [['--bytes', 'sizes in bytes']],
    },
    async () => (await actions()).showDiskUsage,
  );
}

function defineFinding(program: Command, terminal: Terminal): void {
  defineCommand(
    program,
    terminal,
    {
      usage: 'find <places...>',
      summary: 'look below directories for entries that have all of these properties',
      options: [
        ['--name <glob>', 'whose name matches a pattern of the shell; quote it'],
        ['--type <type>', 'f for files, d for directories'],
        ['--larger <size>', 'files of more than this: 500K, 10M, 2G'],
        ['--smaller <size>', 'files of less than this'],
        ['--newer <time>', 'changed after a time, such as 2030-01-31T12:00Z, or within an age: 7d'],
        ['--older <time>', 'changed before a time, or longer ago than an age'],
        ['-l, --long', 'with mode, size and time'],
        ['--bytes', 'sizes in bytes'],
      ],
      examples: [
        "vfolder find data: --name '*.csv' --newer 7d",
        'vfolder find data:logs --type f --older 90d -o name | xargs -d "\\n" vfolder rm',
      ],
    },
    async () => (await finding()).find,
  );
  defineCommand(
    program,
    terminal,
    {
      usage: 'tree <place>',
      summary: 'draw what is below a directory',
      options: [['-L, --level <n>', 'only so many levels deep']],
      examples: ['vfolder tree data: -L 2'],
    },
    async () => (await finding()).tree,
  );
}

function defineTransfers(program: Command, terminal: Terminal): void {
  defineCommand(
    program,
    terminal,
    {
      usage: 'put <paths...>',
      summary: 'bring files into a folder: put FILE... folder:path',
      aliases: ['upload'],
      options: transferOptions,
      examples: [
        'vfolder put report.pdf data:',
        'vfolder put -r images/ data:train',
        'pg_dump app | vfolder put - data:backups/app.sql',
      ],
    },
    async () => (await transfers()).put,
  );
  defineCommand(
    program,
    terminal,
    {
      usage: 'get <paths...>',
      summary: 'fetch files from a folder: get folder:path... [DIRECTORY or FILE]',
      aliases: ['download'],
      options: transferOptions,
      examples: [
        'vfolder get data:report.pdf',
        'vfolder get -r data:train ./train',
        'vfolder get data:log.txt - | tail',
      ],
    },
    async () => (await transfers()).get,
  );
  defineCommand(
    program,
    terminal,
    {
      usage: 'cp <paths...>',
      summary: 'copy: up, down, inside a folder, or from one folder to another',
      options: [...transferOptions, detach],
      examples: [
        'vfolder cp notes.txt data:',
        'vfolder cp data:a.txt data:b.txt',
        'vfolder cp -r data:train .',
        'vfolder cp -r data:train archive:2030/',
      ],
    },
    async () => (await transfers()).copy,
  );
  defineSync(program, terminal);
}

function defineSync(program: Command, terminal: Terminal): void {
  defineCommand(
    program,
    terminal,
    {
      usage: 'sync <source> <target>',
      summary: 'make a directory like another one; one of them at least is in a folder',
      options: [
        ['--delete', 'delete what the source lacks, once everything is transferred'],
        ['--checksum', 'compare contents, not times'],
        ['--dry-run', 'only say what would be done'],
        ['--transfers <n>', 'how many transfers at the same time, 1 to 64', '4'],
        ['--no-resume', 'start over, even where an interrupted transfer left off'],
        ...progressOptions,
      ],
      examples: [
        'vfolder sync ./results data:results',
        'vfolder sync data:results ./results --delete --dry-run',
        'vfolder sync data: archive:data',
      ],
    },
    async () => (await synchronising()).synchronise,
  );
}
