import type { Command } from 'commander';
import { defineCommand, defineGroup } from '../define.ts';
import type { Terminal } from '../terminal.ts';

const actions = () => import('../actions/mounts.ts');
const lease = ['--lease <duration>', 'how long it is good without being renewed: 90s, 5m, 1d'] as const;
const readOnly = ['--read-only', 'only read, also where more would be allowed'] as const;

/** Folders mounted on machines that have the volumes. */
export function defineMountCommands(program: Command, terminal: Terminal): void {
  defineCommand(
    program,
    terminal,
    {
      usage: 'mount <folder> <dir>',
      summary:
        'guard a folder, and print the line for fstab that binds it to a directory of a machine with its volume',
      options: [['--session <name>', 'name for what it is mounted by; else one is made'], lease, readOnly],
      examples: ["vfolder mount 'My Data' /mnt/data --session nightly --lease 1d >> /etc/fstab"],
    },
    async () => (await actions()).mountFolder,
  );
  const group = defineGroup(program, 'mounts', 'folders that compute sessions have mounted');
  defineCommand(
    group,
    terminal,
    { usage: 'ls', isDefault: true, summary: 'list sessions' },
    async () => (await actions()).listMounts,
  );
  defineCommand(
    group,
    terminal,
    { usage: 'show <session>', summary: 'show what a session has mounted, from where and to where' },
    async () => (await actions()).showMounts,
  );
  defineCommand(
    group,
    terminal,
    {
      usage: 'begin <session> <folder...>',
      summary: 'mount folders for a session, each with an alias behind a colon if it shall have one',
      options: [lease, readOnly],
      examples: ["vfolder mounts begin job-17 models 'My Data:data' -o json"],
    },
    async () => (await actions()).beginMounts,
  );
  defineCommand(
    group,
    terminal,
    { usage: 'renew <session>', summary: 'have the lease of a session begin anew', options: [lease] },
    async () => (await actions()).renewMounts,
  );
  defineCommand(
    group,
    terminal,
    { usage: 'end <session...>', summary: 'end the mounts of sessions' },
    async () => (await actions()).endMounts,
  );
}

/** Mounts of everybody, below `admin`. */
export function defineAllMountCommands(admin: Command, terminal: Terminal): void {
  const group = defineGroup(admin, 'mounts', 'folders that sessions of everybody have mounted');
  defineCommand(
    group,
    terminal,
    {
      usage: 'ls',
      isDefault: true,
      summary: 'list sessions',
      options: [
        ['--user <user>', 'only those of this user'],
        ['--folder <folder-id>', 'only those that have this folder mounted'],
        ['--volume <volume>', 'only those that have a folder of this volume mounted'],
      ],
    },
    async () => (await actions()).listAllMounts,
  );
  defineCommand(
    group,
    terminal,
    { usage: 'end <id...>', summary: 'end the mounts of sessions, by their ids' },
    async () => (await actions()).endAnyMounts,
  );
}
