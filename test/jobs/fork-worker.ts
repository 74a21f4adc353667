import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Backend } from '../support/backends.ts';
import { rootDir } from '../support/process.ts';

/** Starts a worker of `test/jobs` as a process of its own on a backend; `ready` when it sends its first message. */
export function forkWorker(
  script: string,
  backend: Backend,
): { readonly child: ChildProcess; readonly ready: Promise<void> } {
  const args = ['--import', 'tsx', join(rootDir, 'test/jobs', script), backend.database.url];
  const all = [...args, ...(backend.redisUrl === undefined ? [] : [backend.redisUrl])];
  const child = spawn(process.execPath, all, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const ready = new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('exit', () => reject(new Error('The worker ended before it was ready.')));
  });
  return { child, ready };
}

/** Ends it by a signal and waits until it is gone. */
export async function endWorker(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}
