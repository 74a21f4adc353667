import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CliError, exitCodes } from './exit-codes.ts';

/**
 * Runs a program of the installation, which opens database and volumes as the service does; a client must not be able
 * to. `program` is its directory and file: `doctor/main`. @returns its exit code @throws CliError where only the client is installed
 */
export async function runBeside(program: string, args: readonly string[]): Promise<number> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const path = fileURLToPath(new URL(`../${program}.${extension}`, import.meta.url));
  if (!existsSync(path)) {
    throw new CliError(
      exitCodes.other,
      'This command belongs to the service: run it from its checkout or image.',
    );
  }
  const child = spawn(process.execPath, [...process.execArgv, path, ...args], { stdio: 'inherit' });
  return await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status) => resolve(status ?? exitCodes.other));
  });
}
