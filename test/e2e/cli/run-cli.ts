import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Keypair } from '../support/signature.ts';

/** What a run of the program came to. */
export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that is running. */
export interface RunningCli {
  readonly pid: number;
  readonly done: Promise<CliRun>;
  /** What it has said so far. */
  stderr(): string;
  interrupt(): void;
}

/** Runs the built program as one user, with a home directory of its own. */
export interface Cli {
  (args: readonly string[], input?: string): Promise<CliRun>;
  start(args: readonly string[], input?: string): RunningCli;
}

const program = join(import.meta.dirname, '..', '..', '..', 'dist', 'cli', 'main.js');

/** Makes the program of one user; without a keypair only what `env` says is known to it. */
export function makeCli(options: {
  readonly url: string;
  readonly home: string;
  readonly keypair?: Keypair;
  readonly env?: Readonly<Record<string, string>>;
}): Cli {
  const { keypair } = options;
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: options.home,
    VFOLDER_URL: options.url,
    ...(keypair === undefined
      ? {}
      : { VFOLDER_ACCESS_KEY: keypair.accessKey, VFOLDER_SECRET_KEY: keypair.secretKey }),
    ...options.env,
  };
  const start = (args: readonly string[], input = ''): RunningCli => {
    const child = spawn(process.execPath, [program, ...args], { env, stdio: 'pipe' });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      said += part;
    });
    const ended = new Promise((resolve) => child.stderr.once('end', resolve));
    const done = Promise.all([exited, text(child.stdout), ended]).then(([code, stdout]) => ({
      code,
      stdout,
      stderr: said,
    }));
    return { pid: child.pid ?? 0, done, stderr: () => said, interrupt: () => child.kill('SIGINT') };
  };
  return Object.assign((args: readonly string[], input?: string) => start(args, input).done, { start });
}
