import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { CliError, exitCodes, usageError } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import { printable, type Terminal } from './terminal.ts';

function canAsk({ stdin, stderr }: Terminal): boolean {
  return stdin.isTTY === true && stderr.isTTY === true;
}

async function ask(terminal: Terminal, question: string, isSecret: boolean): Promise<string> {
  // Readline shows what is typed through its output; a secret gets one that swallows it.
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (!isSecret) terminal.stderr.write(chunk);
      done();
    },
  });
  const lines = createInterface({ input: terminal.stdin, output, terminal: true });
  try {
    if (isSecret) terminal.stderr.write(question);
    const answer = await lines.question(isSecret ? '' : question, { signal: terminal.signal });
    if (isSecret) terminal.stderr.write('\n');
    return answer.trim();
  } finally {
    lines.close();
  }
}

/** Asks for a value on a terminal. Without one, what is missing is an error that says how to give it. */
export async function askFor(
  terminal: Terminal,
  question: string,
  options: { readonly isSecret?: boolean; readonly otherwise: string },
): Promise<string> {
  if (!canAsk(terminal)) throw usageError(options.otherwise);
  const answer = await ask(terminal, question, options.isSecret === true);
  if (answer === '') throw usageError(options.otherwise);
  return answer;
}

/** Asks before something that cannot be undone. `--yes` answers; without a terminal it has to. */
export async function confirm(invocation: Invocation, question: string): Promise<void> {
  if (invocation.flag('yes')) return;
  const { terminal } = invocation;
  if (!canAsk(terminal)) throw usageError(`${question} Without a terminal to ask on, --yes has to say so.`);
  const answer = await ask(terminal, `${printable(question)} [y/N] `, false);
  if (!/^y(es)?$/i.test(answer)) throw new CliError(exitCodes.other, 'Nothing was done.');
}

/** All of standard input as text, without the line end at its end. */
export async function readSecretFromInput({ stdin }: Terminal): Promise<string> {
  return (await text(stdin)).replace(/\r?\n$/, '');
}
