import { Command } from 'commander';
import { defineAccountCommands } from './commands/account.ts';
import { defineAdminCommands } from './commands/admin.ts';
import { defineFileCommands } from './commands/files.ts';
import { defineFolderCommands } from './commands/folders.ts';
import { defineJobCommands } from './commands/jobs.ts';
import { defineLinkCommands } from './commands/links.ts';
import { defineMountCommands } from './commands/mounts.ts';
import { defineSharingCommands } from './commands/sharing.ts';
import type { Terminal } from './terminal.ts';
import { readVersion } from './version.ts';

const exitCodeHelp = `
Exit codes:
  0 done   1 other   2 wrong use   3 not found   4 not signed in, or not allowed
  5 temporary (network, overload)   6 conflict   7 limit or quota
  8 done in part   9 the job failed or was cancelled   130 interrupted`;

/** Describes the whole command line. Nothing else is loaded before a command runs. */
export function makeProgram(terminal: Terminal): Command {
  const program = new Command('vfolder')
    .description('Shared, quota-bound folders: files up and down, sharing, jobs, administration.')
    .version(readVersion(), '-V, --version', 'print the version')
    .option('-o, --output <form>', 'form of data on stdout: table, json, jsonl or name')
    .option('--json', 'the same as -o json')
    .option('--url <url>', 'address of the service (VFOLDER_URL)')
    .option('--profile <name>', 'profile to use (VFOLDER_PROFILE)')
    .option('-q, --quiet', 'no progress')
    .option('-y, --yes', 'answer questions with yes')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .showSuggestionAfterError()
    .addHelpText('after', exitCodeHelp)
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text.replace(/^error: /, 'vfolder: ')),
    })
    .exitOverride();
  defineAccountCommands(program, terminal);
  defineFolderCommands(program, terminal);
  defineFileCommands(program, terminal);
  defineSharingCommands(program, terminal);
  defineLinkCommands(program, terminal);
  defineMountCommands(program, terminal);
  defineJobCommands(program, terminal);
  defineAdminCommands(program, terminal);
  return program;
}
