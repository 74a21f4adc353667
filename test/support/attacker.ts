import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A process that exchanges two names in a directory until it is stopped. */
export interface Attacker {
  /** Ends it. @returns how many exchanges it made */
  stop(): Promise<number>;
}

/** The command line of an attacker, without its arguments. */
export type AttackerCommand = readonly string[];

/** Compiles the attacker into `directory`; without a C compiler, the slower one in JavaScript is taken. */
export async function buildAttacker(directory: string): Promise<AttackerCommand> {
  const binary = join(directory, 'attacker');
  try {
    await run('gcc', ['-O2', '-o', binary, join(import.meta.dirname, 'attacker.c')]);
    return [binary];
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    return [process.execPath, join(import.meta.dirname, 'attacker.mjs')];
  }
}

/** Starts an attacker and waits until it is at work. */
export async function startAttacker(
  command: AttackerCommand,
  directory: string,
  names: readonly [string, string],
): Promise<Attacker> {
  const [program = '', ...rest] = command;
  const child = spawn(program, [...rest, directory, ...names], { stdio: ['pipe', 'pipe', 'inherit'] });
  // One that ended by itself has closed its input already.
  child.stdin.on('error', () => undefined);
  const exited = once(child, 'exit');
  const lines = createInterface({ input: child.stdout });
  const said: string[] = [];
  lines.on('line', (line) => said.push(line));
  await once(lines, 'line');
  return {
    async stop() {
      child.stdin.end('\n');
      await exited;
      lines.close();
      return Number(said.at(-1) ?? 0);
    },
  };
}
