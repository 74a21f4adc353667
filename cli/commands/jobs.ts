import type { Command } from 'commander';
import { defineCommand, defineGroup } from '../define.ts';
import type { Terminal } from '../terminal.ts';

const actions = () => import('../actions/jobs.ts');

/** Background work. */
export function defineJobCommands(program: Command, terminal: Terminal): void {
  const jobs = defineGroup(program, 'jobs', 'background work of the service');
  defineCommand(
    jobs,
    terminal,
    {
      usage: 'ls',
      isDefault: true,
      summary: 'list jobs, newest first',
      options: [
        ['--state <state>', 'queued, running, succeeded, failed or cancelled'],
        ['--limit <n>', 'at most so many', '50'],
        ['--all', 'those of everyone (administrators)'],
      ],
    },
    async () => (await actions()).listJobs,
  );
  defineCommand(
    jobs,
    terminal,
    { usage: 'show <id>', summary: 'show a job' },
    async () => (await actions()).showJob,
  );
  defineCommand(
    jobs,
    terminal,
    { usage: 'watch <id>', summary: 'follow a job to its end' },
    async () => (await actions()).watchJob,
  );
  defineCommand(
    jobs,
    terminal,
    { usage: 'cancel <id...>', summary: 'cancel jobs' },
    async () => (await actions()).cancelJobs,
  );
  defineCommand(
    jobs,
    terminal,
    { usage: 'retry <id...>', summary: 'give failed jobs another go' },
    async () => (await actions()).retryJobs,
  );
}
