import type { Command } from 'commander';
import { defineCommand, defineGroup } from '../define.ts';
import type { Terminal } from '../terminal.ts';
import { defineLimitCommands } from './limits.ts';
import { defineAllLinkCommands } from './links.ts';
import { defineAllMountCommands } from './mounts.ts';
import { defineUserCommands } from './users.ts';
import { defineVolumeCommands } from './volumes.ts';

const actions = () => import('../actions/admin.ts');

/** Administration; `doctor`, `backup`, `restore`, `migrate`, `fsck` and `gc` work on this machine, everything else asks the service. */
export function defineAdminCommands(program: Command, terminal: Terminal): void {
  const admin = defineGroup(program, 'admin', 'administration of the service');
  defineCommand(
    admin,
    terminal,
    { usage: 'status', summary: 'show whether each part can be used, and what waits' },
    async () => (await actions()).showStatus,
  );
  defineCommand(
    admin,
    terminal,
    {
      usage: 'doctor',
      summary: 'examine an installation on its own machine, with its environment',
      options: [['--deep', 'count every folder, however long it takes']],
    },
    async () => (await import('../actions/doctor.ts')).doctor,
  );
  defineUpkeep(admin, terminal);
  defineChecks(admin, terminal);
  defineUserCommands(admin, terminal);
  defineLimitCommands(admin, terminal);
  defineWork(admin, terminal);
  defineVolumeCommands(admin, terminal);
  defineAllMountCommands(admin, terminal);
  defineAllLinkCommands(admin, terminal);
  defineCommand(
    admin,
    terminal,
    {
      usage: 'audit',
      summary: 'show who changed what, newest first',
      options: [
        ['--actor <user>', 'only what this user did'],
        ['--action <action>', 'only this: user.change, folder.delete, ...'],
        ['--folder <folder-id>', 'only what was done to this folder'],
        [
          '--subject <subject>',
          'only what was done to this user, job, queue, worker or volume, by id or name',
        ],
        ['--since <time>', 'from then on: 2030-01-31T12:00Z, or 7d ago'],
        ['--until <time>', 'before then'],
        ['--limit <number>', 'at most so many', '1000'],
      ],
      examples: ['vfolder admin audit --since 90d --limit 1000000 -o jsonl > audit.jsonl'],
    },
    async () => (await import('../actions/audit.ts')).showAudit,
  );
  const usage = defineGroup(admin, 'usage', 'usage');
  defineCommand(
    usage,
    terminal,
    {
      usage: 'recount [folder...]',
      summary: 'count folders again and correct their numbers: yours by name, any by its id',
      options: [
        ['--all', 'every folder of the installation'],
        ['--detach', 'do not wait for the jobs; print their ids'],
      ],
    },
    async () => (await actions()).recount,
  );
}

function defineUpkeep(admin: Command, terminal: Terminal): void {
  const upkeep = () => import('../actions/upkeep.ts');
  defineCommand(
    admin,
    terminal,
    {
      usage: 'backup <dir>',
      summary: 'save database, files and keys into an empty directory, with the environment of the service',
      options: [['--verify', 'read every file back and note its SHA-256, for a restore to compare with']],
    },
    async () => (await upkeep()).backup,
  );
  defineCommand(
    admin,
    terminal,
    {
      usage: 'restore <dir>',
      summary: 'bring a backup back into an empty database and empty volumes',
      options: [['--verify', 'compare the SHA-256 of every file with that of a backup made with --verify']],
    },
    async () => (await upkeep()).restoreBackup,
  );
  defineCommand(
    admin,
    terminal,
    {
      usage: 'migrate',
      summary: 'bring the tables of the database up to date, with the environment of the service',
      options: [['--check', 'change nothing; name what would be changed, exit code 6 when something would']],
    },
    async () => (await upkeep()).migrate,
  );
}

function defineChecks(admin: Command, terminal: Terminal): void {
  const upkeep = () => import('../actions/upkeep.ts');
  defineCommand(
    admin,
    terminal,
    {
      usage: 'fsck',
      summary:
        'compare the rows of the database with the files on the volumes, with the environment of the service',
      options: [
        ['--fix', 'mend what can be mended; without it nothing is changed'],
        ['--volume <volume>', 'only this volume'],
        ['--folder <folder>', 'only folders of this id, or that their owner knows by this name'],
      ],
      examples: ['vfolder admin fsck', 'vfolder admin fsck --fix --volume local'],
    },
    async () => (await upkeep()).fsck,
  );
  defineCommand(
    admin,
    terminal,
    {
      usage: 'gc',
      summary: 'remove now what the schedules of the service would in their time, with its environment',
      options: [
        ['--dry-run', 'only say what would be removed'],
        ['--orphans', 'also folders that were set aside because no row knows them'],
        ['--volume <volume>', 'only on this volume'],
      ],
    },
    async () => (await upkeep()).gc,
  );
}

function defineWork(admin: Command, terminal: Terminal): void {
  const queues = defineGroup(admin, 'queues', 'queues');
  defineCommand(
    queues,
    terminal,
    { usage: 'ls', isDefault: true, summary: 'list queues and what is in them' },
    async () => (await actions()).listQueues,
  );
  defineCommand(
    queues,
    terminal,
    { usage: 'pause <queue...>', summary: 'hand out no more jobs' },
    async () => (await actions()).pauseQueues,
  );
  defineCommand(
    queues,
    terminal,
    { usage: 'resume <queue...>', summary: 'hand out jobs again' },
    async () => (await actions()).resumeQueues,
  );
  defineCommand(
    queues,
    terminal,
    {
      usage: 'limit <queue> <jobs>',
      summary: 'run at most so many of its jobs at a time, over all workers; "none" for no limit',
      examples: [
        'vfolder admin queues limit archive.local 2',
        'vfolder admin queues limit archive.local none',
      ],
    },
    async () => (await actions()).limitQueue,
  );
  defineCommand(
    queues,
    terminal,
    { usage: 'retry-failed <queue...>', summary: 'give every failed job another go' },
    async () => (await actions()).retryFailed,
  );
  const workers = defineGroup(admin, 'workers', 'worker processes');
  defineCommand(
    workers,
    terminal,
    { usage: 'ls', isDefault: true, summary: 'list workers' },
    async () => (await actions()).listWorkers,
  );
  defineCommand(
    workers,
    terminal,
    { usage: 'drain <id...>', summary: 'let them finish what they run and take no more' },
    async () => (await actions()).drainWorkers,
  );
  defineCommand(
    workers,
    terminal,
    { usage: 'undrain <id...>', summary: 'let them take jobs again' },
    async () => (await actions()).undrainWorkers,
  );
}
