import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CliError, exitCodes } from '../exit-codes.ts';
import type { Action } from '../invocation.ts';

/**
 * Runs the examination as a program of its own: it opens database and volumes as the service does, which a client must
 * not be able to.
 */
export const doctor: Action = async (invocation) => {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const program = fileURLToPath(new URL(`../../doctor/main.${extension}`, import.meta.url));
  if (!existsSync(program)) {
    throw new CliError(
      exitCodes.other,
      'The examination belongs to the service: run it from its checkout or image.',
    );
  }
  const form = invocation.form();
  const args = [...(invocation.flag('deep') ? ['--deep'] : []), ...(form === 'table' ? [] : ['--json'])];
  const child = spawn(process.execPath, [...process.execArgv, program, ...args], { stdio: 'inherit' });
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (status) => resolve(status ?? exitCodes.other));
  });
  if (code !== 0)
    throw new CliError(code, 'Something is wrong with the installation: each red line says how to mend it.');
};
