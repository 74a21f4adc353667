import type { Command } from 'commander';
import { usageError } from './exit-codes.ts';
import { type Action, toInvocation } from './invocation.ts';
import type { Terminal } from './terminal.ts';

/** A command that is described at every start and whose code is loaded only when it runs. */
export interface CommandText {
  /** Name and arguments: `rename <folder> <new-name>`. */
  readonly usage: string;
  readonly summary: string;
  readonly aliases?: readonly string[];
  readonly options?: readonly (readonly [flags: string, description: string, standard?: string])[];
  readonly examples?: readonly string[];
  /** What its group does when no command of it is named. */
  readonly isDefault?: boolean;
}

/** Adds a command to its parent; `load` brings its code. */
export function defineCommand(
  parent: Command,
  terminal: Terminal,
  text: CommandText,
  load: () => Promise<Action>,
): void {
  const command = parent
    .command(text.usage, { isDefault: text.isDefault === true })
    .description(text.summary)
    .allowExcessArguments(false);
  for (const alias of text.aliases ?? []) command.alias(alias);
  for (const [flags, description, standard] of text.options ?? []) {
    if (standard === undefined) command.option(flags, description);
    else command.option(flags, description, standard);
  }
  if (text.examples !== undefined) {
    command.addHelpText('after', `\nExamples:\n${text.examples.map((line) => `  ${line}`).join('\n')}`);
  }
  command.action(async () => {
    const options = command.optsWithGlobals();
    requireNothingEmpty(command.args, options);
    const action = await load();
    await action(toInvocation(terminal, command.args, options));
  });
}

/** An empty argument is a variable of a script that is not set, and never means what was left out. @throws a usage error */
function requireNothingEmpty(args: readonly string[], options: Readonly<Record<string, unknown>>): void {
  if (args.includes('')) throw usageError('An argument is empty.');
  const empty = Object.entries(options).find(([, value]) => value === '');
  if (empty === undefined) return;
  const name = empty[0].replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw usageError(`The value of --${name} is empty.`);
}

/** Adds a command that only groups others; alone it prints its help and is a wrong use. */
export function defineGroup(parent: Command, name: string, summary: string): Command {
  return parent.command(name).description(summary);
}
