import type { Command } from 'commander';
import { defineCommand, defineGroup } from '../define.ts';
import type { Terminal } from '../terminal.ts';

const actions = () => import('../actions/volumes.ts');

/** What administrators do with volumes. */
export function defineVolumeCommands(admin: Command, terminal: Terminal): void {
  const volumes = defineGroup(admin, 'volumes', 'volumes');
  defineCommand(
    volumes,
    terminal,
    { usage: 'ls', isDefault: true, summary: 'list volumes with their state and room' },
    async () => (await actions()).listVolumes,
  );
  defineCommand(
    volumes,
    terminal,
    { usage: 'show <volume>', summary: 'show a volume, and how it answers' },
    async () => (await actions()).showVolume,
  );
  defineCommand(
    volumes,
    terminal,
    {
      usage: 'set <volume>',
      summary: 'open a volume, make it read-only, or keep new folders from it',
      options: [['--state <state>', 'active, read_only or draining']],
      examples: ['vfolder admin volumes set local --state read_only'],
    },
    async () => (await actions()).setVolume,
  );
}
