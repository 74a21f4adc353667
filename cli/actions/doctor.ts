import { CliError } from '../exit-codes.ts';
import type { Action } from '../invocation.ts';
import { runBeside } from '../run-beside.ts';

/** Runs the examination as a program of its own. */
export const doctor: Action = async (invocation) => {
  const form = invocation.form();
  const args = [...(invocation.flag('deep') ? ['--deep'] : []), ...(form === 'table' ? [] : ['--json'])];
  const code = await runBeside('doctor/main', args);
  if (code !== 0)
    throw new CliError(code, 'Something is wrong with the installation: each red line says how to mend it.');
};
